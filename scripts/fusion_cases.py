"""The random rankings that the scripts golden_*.py fuse, and how their results are written down.

tests/fuse/golden.rs makes the same rankings from the same numbers, so the fixtures hold results only. Every score is a
multiple of 1/1024 below 2^14, so that a 32-bit float holds it exactly.
"""

import json

CASES = 200
MASK = (1 << 64) - 1
# Scores are written in this unit, rounded: ten times finer than the agreement that is asked for.
UNIT = 1e-10


class SplitMix64:
    """Steele, Lea and Flood, "Fast splittable pseudorandom number generators", OOPSLA 2014."""

    def __init__(self, seed):
        self.state = seed

    def next(self):
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, bound):
        return (self.next() * bound) >> 64


def case(seed, kind):
    """A list of (weight, [(id, score), ...]), each ranking best first, equal scores by id.

    kind: "plain" has different scores and at least two in each ranking; "rough" has empty and one-entry rankings and
    equal scores, too; "full" has three rankings that all rank the same passages.
    """
    random = SplitMix64(seed)
    legs = 3 if kind == "full" else 2 + random.below(3)
    passages = 4 + random.below(5) if kind == "full" else 6 + random.below(10)
    rankings = []
    for _ in range(legs):
        ids = list(range(1, passages + 1))
        for last in range(passages - 1, 0, -1):
            other = random.below(last + 1)
            ids[last], ids[other] = ids[other], ids[last]
        deepest = min(passages, 10)
        if kind == "full":
            size = passages
        else:
            size = 2 + random.below(deepest - 1) if kind == "plain" else random.below(deepest + 1)
        flat = kind == "rough" and random.below(4) == 0
        score = 2048 + random.below(12_000)
        ranking = []
        for id in ids[:size]:
            ranking.append((id, score / 1024))
            step = 1 + random.below(200)
            if kind == "rough" and (flat or random.below(3) == 0):
                step = 0
            score -= step
        ranking.sort(key=lambda entry: (-entry[1], entry[0]))
        rankings.append(((1 + random.below(16)) / 8, ranking))
    return rankings


def base36(number):
    digits, rest = "", abs(number)
    while rest:
        rest, digit = divmod(rest, 36)
        digits = "0123456789abcdefghijklmnopqrstuvwxyz"[digit] + digits
    return ("-" if number < 0 else "") + (digits or "0")


def written(fused):
    """Fused (id, score) pairs in their order: the id as one digit of base 36, then the score in units, or nothing."""
    score = lambda score: "" if score is None else base36(round(score / UNIT))
    return " ".join(base36(id) + score(value) for id, value in fused)


def write(path, versions, golden):
    with open(path, "w") as file:
        file.write('{"versions": ' + json.dumps(versions) + ', "golden": [\n')
        file.write(",\n".join(json.dumps(entry, separators=(",", ":")) for entry in golden))
        file.write("\n]}\n")
