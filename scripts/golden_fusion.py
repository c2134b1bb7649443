#!/usr/bin/env python3
"""Writes tests/fixtures/golden_fusion.json: what ranx makes of 200 random cases, for every fusion that it and we have.

    python3 -m venv .asktwice/ranx && .asktwice/ranx/bin/pip install ranx==0.3.21
    .asktwice/ranx/bin/python scripts/golden_fusion.py

ranx (Bassani and Romelli, CIKM 2022) is the field's reference for rank fusion. Its Condorcet depends on the order of a
set wherever the majority is no strict order, so that one is compared on cases where it is.
"""

from importlib.metadata import version
from itertools import count, islice, permutations

from fusion_cases import CASES, case, write, written
from ranx import Run, fuse

RANX = "0.3.21"
NORMS = {"min-max": "min-max", "max": "max", "sum": "sum", "z-score": "zmuv", "rank": "rank"}
COMBINATIONS = ["sum", "mnz", "anz", "max", "min", "med"]


def strict_order(rankings):
    """Whether the weighted majority between every two passages is clear, and free of cycles."""
    ranks = [{id: rank for rank, (id, _) in enumerate(ranking)} for _, ranking in rankings]
    wins = {id: 0 for id in ranks[0]}
    for one, other in permutations(wins, 2):
        ahead = sum(w * (1 if rank[one] < rank[other] else -1) for (w, _), rank in zip(rankings, ranks))
        if ahead == 0:
            return False
        wins[one] += ahead > 0
    return sorted(wins.values()) == list(range(len(wins)))


def fused(cases, weighted, method, norm=None, **params):
    """ranx's results for all cases. Weights differ from case to case, so they are fused one by one."""
    results = []
    for rankings in cases:
        if weighted:
            params["weights"] = [weight for weight, _ in rankings]
        # Ids of one length: ranx 0.3.21 takes "10" for found where "1" was.
        runs = [Run({"q": {f"{id:02}": score for id, score in ranking}}) for _, ranking in rankings]
        run = fuse(runs, norm=norm, method=method, params=params)
        pairs = [(int(id), score) for id, score in dict(run.run["q"]).items()]
        results.append(written(sorted(pairs, key=lambda pair: -pair[1])))
    return results


def main():
    assert version("ranx") == RANX, f"this fixture is made with ranx {RANX}"
    plain = [case(seed, "plain") for seed in range(CASES)]
    golden = []

    def add(fusion, weighted, method, norm=None, **params):
        golden.append({"fusion": fusion, "kind": "plain", "weighted": weighted,
                       "cases": fused(plain, weighted, method, norm, **params)})
        print(fusion, "weighted" if weighted else "")

    add("rrf", False, "rrf", k=60)
    add("rrf:10", False, "rrf", k=10)
    add("borda", False, "bordafuse")
    add("borda", True, "w_bordafuse")
    add("isr", False, "isr")
    add("log-isr", False, "log_isr")
    add("rbc:0.9", False, "rbc", phi=0.9)
    add("rbc:0.5", False, "rbc", phi=0.5)
    for ours, norm in NORMS.items():
        for combination in COMBINATIONS:
            add(f"comb{combination}:{ours}", False, combination, norm)
        add(f"combsum:{ours}", True, "wsum", norm)
    for weighted in (False, True):
        even = (lambda rankings: rankings) if weighted else lambda rankings: [(1, ranking) for _, ranking in rankings]
        seeds = list(islice((s for s in count() if strict_order(even(case(s, "full")))), CASES))
        cases = [case(seed, "full") for seed in seeds]
        golden.append({"fusion": "condorcet", "kind": "full", "weighted": weighted, "seeds": seeds,
                       "cases": fused(cases, weighted, "w_condorcet" if weighted else "condorcet")})
    write("tests/fixtures/golden_fusion.json", {"ranx": RANX}, golden)


if __name__ == "__main__":
    main()
