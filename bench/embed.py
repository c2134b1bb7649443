#!/usr/bin/env python3
"""`make bench-embed`: asktwice's embedder beside the `fastembed` crate and the `fastembed` Python package, in one table.

All sides run on the same ONNX files, the same texts and the same release of ONNX Runtime, each in a process of its own,
in turn; of several rounds the median counts. `SHORT=1` takes a fraction of the time and says less.
"""
import json
import os
import statistics
import subprocess
import sys
import time

HOME = ".asktwice/bench"
LIBRARY = ".asktwice/lib/libonnxruntime.so"
SHORT = bool(os.environ.get("SHORT"))
ROUNDS = 1 if SHORT else 3
MILLISECONDS = 700 if SHORT else 1_500
PASSAGES = 128 if SHORT else 2_000
ABSTRACTS = 32 if SHORT else 1_000
# What is tried to find a peer's best arrangement, on so many passages.
TRIAL = 64 if SHORT else 160
CORES = len(os.sched_getaffinity(0))
PRECISIONS = ["fp32", "int8"]
RUST, PYTHON = "fastembed (Rust)", "fastembed (Python)"
# As it comes, a peer is slow: beyond its first batches only what the goal for memory needs.
AS_IT_COMES = {(RUST, "fp32"): PASSAGES}
FIRST_BATCHES = 256 if SHORT else 512


class Side:
    """A program that does one task per process."""

    def __init__(self, name, command, **fixed):
        self.name, self.command, self.fixed, self.versions, self.known = name, command, fixed, set(), {}

    def run(self, task, **settings):
        """What the program says it found, and the milliseconds from its start to its first word."""
        settings = {"model": f"{HOME}/model", **self.fixed, **settings}
        texts = settings.pop("texts")
        arguments = [task, f"texts={HOME}/{texts}.json", *(f"{key}={value}" for key, value in settings.items())]
        environment = {**os.environ, "ORT_DYLIB_PATH": os.path.abspath(LIBRARY)}
        begin = time.monotonic()
        process = subprocess.Popen([*self.command, *arguments], stdout=subprocess.PIPE, text=True, env=environment)
        found = process.stdout.readline()
        took = (time.monotonic() - begin) * 1e3
        if process.wait() != 0 or not found:
            sys.exit(f"{self.name} failed at: {' '.join([*self.command, *arguments])}")
        found = {**json.loads(found), "first_word_ms": took}
        self.versions.add(found["version"])
        return found


    def once(self, task, **settings):
        """As `run`, but what was found before is not measured again."""
        key = (task, *sorted(settings.items()))
        if key not in self.known:
            self.known[key] = self.run(task, **settings)
        return self.known[key]


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def alternate(*runs):
    """Runs each of several (side, task, settings) in turn, so often as there are rounds."""
    found = [[] for _ in runs]
    for _ in range(ROUNDS):
        for (side, task, settings), results in zip(runs, found):
            results.append(side.run(task, **settings))
    return found


def texts(name, count):
    """The first so many of the texts, as a file of their own; `None` where there are none."""
    with open(f"{HOME}/{name}.json", encoding="utf-8") as file:
        given = json.load(file)[:count]
    short = f"{name}-{count}"
    with open(f"{HOME}/{short}.json", "w", encoding="utf-8") as file:
        json.dump(given, file)
    return short if given else None


class Table:
    """The rows, printed as they come."""

    def __init__(self, ours):
        self.ours, self.met, self.rows = ours, 0, 0
        print("| | precision | asktwice | peer | ratio | goal | met |")
        print("|---|---|---|---|---|---|---|")

    def row(self, what, precision, ours, peer, ratio, goal, met):
        self.rows, self.met = self.rows + 1, self.met + bool(met)
        print(f"| {what} | {precision} | {ours} | {peer} | {ratio} | {goal} | {'yes' if met else 'no'} |", flush=True)

    def faster(self, what, precision, ours, peer, arrangement, unit, goal):
        """A row of rates: more is better, and the goal is a factor."""
        ratio = ours / peer
        self.row(what, precision, f"{ours:.0f} {unit}", f"{peer:.0f} {unit} ({arrangement})", f"{ratio:.2f} ×",
                 f"≥ {goal} ×", ratio >= goal)

    def sooner(self, what, precision, ours, peer, arrangement, goal):
        """A row of times: less is better, and the goal is a factor."""
        ratio = ours / peer
        self.row(what, precision, f"{ours:.2f} ms", f"{peer:.2f} ms ({arrangement})", f"{ratio:.2f} ×", f"≤ {goal} ×",
                 ratio <= goal)


def arrangements(side):
    """How a peer can be arranged for many at once: one instance with all cores, or one per core. In Python, threads
    share one instance."""
    shared = {"instances": 1, "threads": CORES}
    return [shared, {"instances": CORES, "threads": 1}] if side.name == RUST else [shared, {"threads": 1}]


def best(side, task, choices, **settings):
    """A peer's best arrangement for a task, by a short trial."""
    return max(choices, key=lambda choice: side.run(task, **settings, **choice)["per_second"])


def named(settings):
    """An arrangement, in words."""
    words = {"instances": "{} instances", "threads": "{} threads", "batch": "batch {}"}
    return ", ".join(words[key].format(value) for key, value in settings.items()) or "as it comes"


def one_question(table, ours, peer):
    asked = {"texts": "questions", "milliseconds": MILLISECONDS}
    for what, threads in [("one question of 12 tokens, p50, one thread", 1), ("the same, all cores", CORES)]:
        for precision in PRECISIONS:
            settings = {**asked, "precision": precision, "threads": threads}
            mine, theirs = alternate((ours, "alone", settings), (peer, "alone", settings))
            table.sooner(what, precision, median(mine, "p50_ms"), median(theirs, "p50_ms"), f"{threads} threads", 1.0)
    own = {"model": ".asktwice/models/all-MiniLM-L6-v2"}
    mine, theirs = alternate((ours, "alone", {**asked, **own, "precision": "int8"}),
                             (peer, "alone", {**asked, "precision": "fp32"}))
    table.sooner("the same, each side's default", "int8, fp32", median(mine, "p50_ms"), median(theirs, "p50_ms"),
                 "as it comes", 0.55)


def many_questions(table, ours, peer):
    for precision in PRECISIONS:
        settings = {"texts": "questions", "precision": precision, "callers": 8}
        choice = best(peer, "callers", arrangements(peer), milliseconds=MILLISECONDS // 2, **settings)
        settings["milliseconds"] = MILLISECONDS
        mine, theirs = alternate((ours, "callers", settings), (peer, "callers", {**settings, **choice}))
        table.faster("8 callers at once", precision, median(mine, "per_second"), median(theirs, "per_second"),
                     named(choice), "questions/s", 1.1)


def passages(table, ours, peer):
    for precision, factor in zip(PRECISIONS, [3.5, 5]):
        batches = [{**choice, "batch": size} for choice in arrangements(peer) for size in [1, 8, 32]]
        choice = best(peer, "all", batches, texts=texts("passages", TRIAL), precision=precision)
        mine = ours.once("all", texts=texts("passages", PASSAGES), precision=precision)
        theirs = peer.run("all", texts=texts("passages", PASSAGES), precision=precision, **choice)
        first = AS_IT_COMES.get((peer.name, precision), min(FIRST_BATCHES, PASSAGES))
        came = peer.run("all", texts=texts("passages", first), precision=precision)
        what = f"{PASSAGES} passages of 10 to 250 tokens"
        table.faster(what, precision, mine["per_second"], theirs["per_second"], named(choice), "passages/s", 1.0)
        table.faster(what, precision, mine["per_second"], came["per_second"], f"as it comes, the first {first}",
                     "passages/s", factor)
        memory(table, precision, mine["peak_mb"], came["peak_mb"], f"as it comes, the first {first}")
        abstracts(table, ours, peer, precision, choice)


def memory(table, precision, mine, theirs, how):
    table.row("peak memory of the same", precision, f"{mine:.0f} MB", f"{theirs:.0f} MB ({how})",
              f"1/{theirs / mine:.0f}", "≤ 1/20, ≤ 250 MB", mine <= 250 and mine * 20 <= theirs)


def abstracts(table, ours, peer, precision, choice):
    cut = texts("abstracts", ABSTRACTS)
    if cut is None:
        print(f"| abstracts of SciFact | {precision} | skipped: SciFact is absent (SCIFACT=folder) | | | | |")
        return
    mine = ours.once("all", texts=cut, precision=precision)
    theirs = peer.run("all", texts=cut, precision=precision, **choice)
    table.faster(f"{ABSTRACTS} abstracts of SciFact, cut at 256 tokens", precision, mine["per_second"],
                 theirs["per_second"], named(choice), "abstracts/s", 1.0)


def same_text(table, ours, peer):
    together = texts("passages", 64)
    for precision in PRECISIONS:
        mine, theirs = (side.run("same", texts=together, precision=precision)["least_cosine"] for side in (ours, peer))
        table.row("the same text, whatever shares its batch", precision, f"{mine:.6f}", f"{theirs:.6f}", "cosine",
                  "≥ 0.99999", mine >= 0.99999)


def at_rest(table, ours, peer):
    for precision in PRECISIONS:
        settings = {"texts": "questions", "precision": precision}
        mine, theirs = (side.run("idle", **settings)["idle_percent"] for side in (ours, peer))
        table.row("CPU in the 3 s after 50 questions", precision, f"{mine:.2f} %", f"{theirs:.2f} %", "of a core",
                  "< 0.5 %", mine < 0.5)
    for precision in PRECISIONS:
        settings = {"texts": "questions", "precision": precision}
        mine, theirs = alternate((ours, "cold", settings), (peer, "cold", settings))
        table.sooner("cold start, process start to first vector", precision, median(mine, "first_word_ms"),
                     median(theirs, "first_word_ms"), "as it comes", 1.0)
        mine, theirs = median(mine, "rss_mb"), median(theirs, "rss_mb")
        table.row("memory after it", precision, f"{mine:.0f} MB", f"{theirs:.0f} MB", f"{mine / theirs:.2f} ×", "≤ 1.0 ×",
                  mine <= theirs)


def cpu():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        facts = dict(line.split(":", 1) for line in lines if ":" in line)
    facts = {key.strip(): value.strip() for key, value in facts.items()}
    extensions = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_int8") if flag in facts.get("flags", "").split()]
    return f"{facts.get('model name', 'unknown CPU')}, {CORES} cores, {' '.join(extensions)}"


def main(program):
    ours = Side("asktwice", [program], library=LIBRARY)
    peers = [Side(RUST, ["target/bench/release/peers"]),
             Side(PYTHON, [f"{HOME}/venv/bin/python", "bench/python_side.py"])]
    print(cpu())
    load = os.getloadavg()[0]
    if load > 0.5:
        print(f"the machine is busy (load {load:.1f}): only the ratios say something")
    for peer in peers:
        print(f"\nasktwice against {peer.name}\n")
        table = Table(ours)
        for part in [one_question, many_questions, passages, same_text, at_rest]:
            part(table, ours, peer)
        print(f"\n{table.met} of {table.rows} goals met")
    print("\n" + "\n".join(sorted(version for side in [ours, *peers] for version in side.versions)))


main(*sys.argv[1:])
