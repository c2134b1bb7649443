#!/usr/bin/env python3
"""Writes tests/fixtures/golden_elastic.json: what Elasticsearch's formulas make of 200 random cases.

    python3 scripts/golden_elastic.py

No Elasticsearch runs here. This is the arithmetic of its `rrf` and `linear` retrievers, written anew from their source
and documentation (RRFRetrieverBuilder, LinearRetrieverBuilder, MinMaxScoreNormalizer, RankDoc): every step in single
precision, leg by leg, and among equal scores the document with the lower number first, for which the id stands here.
Needs nothing but Python. The cases are the rough ones of fusion_cases.py.
"""

from struct import pack, unpack

from fusion_cases import CASES, case, write, written

RANK_CONSTANT = 60
EPSILON = 1e-6
SMALLEST = 2.0 ** -149  # Java's Float.MIN_VALUE


def single(value):
    """In single precision. One operation on such numbers in double precision, then this, is the operation itself."""
    return unpack("f", pack("f", value))[0]


def combined(rankings, weights, vote):
    """Adds up what each leg gives, in their order; highest first, then lowest number first."""
    scores = {}
    for (_, ranking), weight in zip(rankings, weights):
        for id, given in vote(ranking):
            scores[id] = single(scores.get(id, 0.0) + single(weight * given))
    return sorted(scores.items(), key=lambda entry: (-entry[1], entry[0]))


def reciprocal_ranks(ranking):
    return [(id, single(1.0 / (RANK_CONSTANT + rank))) for rank, (id, _) in enumerate(ranking, 1)]


def as_they_are(ranking):
    return ranking


def minmax(ranking):
    low = min((score for _, score in ranking), default=0.0)
    high = max([SMALLEST] + [score for _, score in ranking])
    if abs(single(low - high)) < single(EPSILON):
        return [(id, low) for id, _ in ranking]
    return [(id, single(single(score - low) / single(high - low))) for id, score in ranking]


FUSIONS = {"parity:elastic-rrf": reciprocal_ranks, "parity:elastic-linear": as_they_are, "parity:elastic-minmax": minmax}


def main():
    golden = []
    for fusion, vote in FUSIONS.items():
        for weighted in (False, True):
            results = []
            for rankings in (case(seed, "rough") for seed in range(CASES)):
                weights = [weight if weighted else 1.0 for weight, _ in rankings]
                fused = combined(rankings, weights, vote)
                # The scores of the weighted runs prove the formula; the order of the others keeps the file small.
                results.append(written([(id, score if weighted else None) for id, score in fused]))
            golden.append({"fusion": fusion, "kind": "rough", "weighted": weighted, "cases": results})
    write("tests/fixtures/golden_elastic.json", {"elasticsearch": "its formulas, not run"}, golden)


if __name__ == "__main__":
    main()
