#!/usr/bin/env python3
"""`make bench-serve`: the sidecar by itself and beside what else there is, in tables.

Caches are off and every question is asked once, but for the row that says "warm". The sides, the language model's
stand-in and the load generator share this machine's cores. Runs of several sides alternate; of several rounds the median
counts. `SHORT=1` measures for some two minutes and says less.

A Qdrant server for the peers is named by ASKTWICE_TEST_QDRANT; without one, see `peers` in serve_sides.py.
"""
import contextlib
import json
import os
import signal
import statistics
import subprocess
import sys

from serve_sides import (ASKTWICE, BY_HAND, FILES, HOME, LANGCHAIN, LLAMAINDEX, PROGRAM, SCIFACT, STORE, Ours, Process,
                         load, peers, sidecar)

SHORT = bool(os.environ.get("SHORT"))
ROUNDS = 1 if SHORT else 3
SECONDS = 2 if SHORT else 6
STUB_SECONDS = 5 if SHORT else 20
STEP_SECONDS = 3 if SHORT else 10
# Which of the parts a, b and c are measured; d is a part of c.
PARTS = os.environ.get("PARTS", "abc")
CORES = len(os.sched_getaffinity(0))
COLD = ["--set", "embed.cache_mb=0", "--set", "rewrite.cache_mb=0"]
SAME_MODEL = ["--set", f"embed.model={HOME}/model", "--set", "embed.precision=fp32", "--set", "search.legs=dense",
              "--set", "search.depth=50"]


def median(runs, key):
    return statistics.median(run[key] for run in runs)


def outcomes(runs):
    """What else than a full answer came back, and how often."""
    counts = {}
    for run in runs:
        for outcome, count in run.get("outcomes", {}).items():
            counts[outcome] = counts.get(outcome, 0) + count
    lost = (pair for pair in sorted(counts.items()) if pair[0] not in ("full", "200"))
    return ", ".join(f"{count} {outcome}" for outcome, count in lost)


def verdict(met):
    return "met" if met else "MISSED"


def stubbed():
    """(a) What the sidecar itself adds."""
    print("\n(a) Open loop at 1,000 requests/s, everything behind the sidecar stubbed (four legs of 100 points, ten hits);"
          "\na time counts from when its request was due. Milliseconds.\n")
    print("| | requests | p50 | p99 | longest | the sidecar's CPU a request | not full |")
    print("|---|---|---|---|---|---|---|")
    rows = {"`GET /livez`, what the harness sees of nothing": {"get": "/livez", "seconds": STUB_SECONDS / 2},
            "`POST /v1/retrieve`": {"questions": f"{FILES}/many.json"}}
    found = {name: [] for name in rows}
    with Process("stub", [PROGRAM, "stub"]) as stub:
        load(stub, questions=f"{FILES}/all.json", callers=4)
        for _ in range(ROUNDS):
            for name, settings in rows.items():
                found[name].append(load(stub, rate=1000, **settings))
    for name, runs in found.items():
        print(f"| {name} | {runs[0]['count']} | {median(runs, 'p50_ms'):.2f} | {median(runs, 'p99_ms'):.2f} |"
              f" {max(run['max_ms'] for run in runs):.1f} | {median(runs, 'cpu_ms'):.2f} | {outcomes(runs)} |", flush=True)
    p99 = median(found["`POST /v1/retrieve`"], "p99_ms")
    print(f"\nadded p99 {p99:.2f} ms, aim ≤ 1 ms: {verdict(p99 <= 1)}")


def alone(llm):
    """(b) The sidecar with its defaults."""
    print("\n(b) The sidecar on SciFact with its defaults: int8, embedded engine, four legs, the language model answers"
          "\nat once. Closed loop, each claim once. Milliseconds.\n")
    print("| callers | requests/s | p50 | p99 | the sidecar's CPU a request | the model's stand-in's | not full |")
    print("|---|---|---|---|---|---|---|")

    def row(name, server, rounds=ROUNDS, **settings):
        before, runs = llm.cpu(), []
        for _ in range(rounds):
            runs.append(load(server, **settings))
        stand_in = (llm.cpu() - before) * 1e3 / sum(run["count"] for run in runs)
        print(f"| {name} | {median(runs, 'per_second'):.0f} | {median(runs, 'p50_ms'):.1f} |"
              f" {median(runs, 'p99_ms'):.1f} | {median(runs, 'cpu_ms'):.1f} | {stand_in:.1f} | {outcomes(runs)} |",
              flush=True)
        return median(runs, "per_second")

    with sidecar(f"{llm.said}/0/v1", *COLD) as server:
        seconds = {"seconds": 5} if SHORT else {}
        claims = {"questions": f"{FILES}/all.json", **seconds}
        reached = [row(callers, server, callers=callers, **claims) for callers in (1, 8, 32)]
        largest = largest_rate(server, max(reached))
    with sidecar(f"{llm.said}/0/v1") as server:
        load(server, callers=8, questions=f"{FILES}/recorded.json")
        row("8, warm: caches on, asked before", server, callers=8, questions=f"{FILES}/recorded.json")
    print(f"\nThe largest open-loop rate with p99 < 50 ms: {largest}")


def largest_rate(server, most):
    """The largest rate that is borne, by trying; in steps of 5 % of what a closed loop reaches."""
    low, high, found = 4, 21, "none"
    while low < high:
        step = (low + high) // 2
        rate = most * step / 20
        run = load(server, rate=rate, seconds=STEP_SECONDS, questions=f"{FILES}/all.json")
        if run["p99_ms"] < 50 and not outcomes([run]):
            times = f"p50 {run['p50_ms']:.1f} ms, p99 {run['p99_ms']:.1f} ms"
            low, found = step + 1, f"{rate:.0f}/s ({run['count']} claims, {times})"
        else:
            high = step
    return found


CHOICES = [{"driver": driver, "threads": threads} for driver in ("async", "threads") for threads in (None, 1)]


def compare(title, settings, sides, llm, goals):
    """One table: every side, one and eight callers, a language model that answers at once and one that takes 300 ms."""
    print(f"\n{title}\n")
    print("| LLM | callers | side | questions/s | p50, ms | p99, ms | its CPU a question, ms | asktwice is, or was not full |")
    print("|---|---|---|---|---|---|---|---|")
    kept = {}
    for latency in (0, 300):
        url = f"{llm.said}/{latency}/v1"
        # One at a time: the embedded engine's folder belongs to one process.
        with sidecar(url, *COLD, *settings) as server:
            for callers in (1, 8):
                ours = Ours(server)
                runs = {side.name: [] for side in [ours, *sides]}
                for _ in range(ROUNDS):
                    for side in [ours, *sides]:
                        runs[side.name].append(side.run(llm=url, callers=callers, seconds=SECONDS))
                mine = kept[latency, callers] = {key: median(runs[ours.name], key) for key in ("per_second", "p50_ms")}
                for name, found in runs.items():
                    ratio = mine["per_second"] / median(found, "per_second")
                    said = outcomes(found) if name == ours.name else f"{ratio:.1f} × as fast"
                    print(f"| {latency} ms | {callers} | {name} | {median(found, 'per_second'):.1f} |"
                          f" {median(found, 'p50_ms'):.1f} | {median(found, 'p99_ms'):.1f} |"
                          f" {median(found, 'cpu_ms'):.1f} | {said} |", flush=True)
                    if (latency, callers) == (0, 8) and name in goals:
                        kept[name] = ratio
    print()
    for name, goal in goals.items():
        met = verdict(kept[name] >= goal)
        print(f"{kept[name]:.2f} × the questions/s of {name} at 8 callers, aim ≥ {goal} ×: {met}")
    return kept


def best(side, llm):
    """A Python peer's best arrangement, by a short trial of eight callers."""
    return max(CHOICES, key=lambda choice: side.run(llm=llm, callers=8, seconds=SECONDS / 2, **choice)["per_second"])


def beside(llm, *engines):
    """(c) and (d): the same questions through the peers."""
    with contextlib.ExitStack() as stack:
        sides = [stack.enter_context(peer) for peer in peers(*engines)]
        title = ("(c, d) Each side as it comes: asktwice int8 and four legs by HTTP; the peers fp32, in their own process,"
                 "\nwith their own numbers of hits (LangChain 4, LlamaIndex 2 for each search; by hand 50). Closed loop.")
        kept = compare(title, [], sides, llm, {LANGCHAIN: 4, LLAMAINDEX: 4, BY_HAND: 2.5})
        for latency, bound in ((0, 8), (300, 306)):
            p50 = kept[latency, 1]["p50_ms"]
            print(f"one caller, LLM {latency} ms: p50 {p50:.1f} ms, aim ≤ {bound} ms: {verdict(p50 <= bound)}")
        for side in sides[:2]:
            side.fixed = {**best(side, f"{llm.said}/0/v1"), "k": 10}
        named = lambda side: f"{side.name} {side.fixed['driver']}, threads={side.fixed['threads'] or 'default'}"
        title = ("(c, d) The same fp32 file on all sides, two searches by embeddings each, ten hits; the Python peers as they"
                 f"\nare fastest ({'; '.join(map(named, sides[:2]))}).")
        compare(title, SAME_MODEL, sides, llm, {LANGCHAIN: 2, LLAMAINDEX: 2, BY_HAND: 1.5})
        return [version for side in sides for version in side.versions]


def read(path):
    with open(path, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


def write(name, value):
    with open(f"{FILES}/{name}.json", "w", encoding="utf-8") as file:
        json.dump(value, file)


def prepare():
    """The collection, the claims, and what the language model's stand-in says to each."""
    if not os.path.exists(f"{SCIFACT}/corpus.jsonl"):
        sys.exit(f"{SCIFACT} has no SciFact in BEIR's layout: name its folder, make bench-serve SCIFACT=DIR")
    os.makedirs(FILES, exist_ok=True)
    if not os.path.exists(f"{FILES}/vectors.f32"):
        print("indexing SciFact, once: some minutes", flush=True)
        subprocess.run([ASKTWICE, "index", f"{SCIFACT}/corpus.jsonl", *STORE], check=True, stdout=subprocess.DEVNULL)
        subprocess.run([PROGRAM, "corpus", f"store={FILES}/data/scifact", f"passages={FILES}/passages.jsonl",
                        f"vectors={FILES}/unfinished"], check=True, stdout=subprocess.DEVNULL)
        os.rename(f"{FILES}/unfinished", f"{FILES}/vectors.f32")
    claims = {line["_id"]: line["text"].strip() for line in read(f"{SCIFACT}/queries.jsonl")}
    rewrites = read(f"{SCIFACT}/rewrites/gpt-4o_paraphrase.jsonl")
    recorded = {claims[line["_id"]]: line["rewrites"][0] for line in rewrites}
    others = [text for text in claims.values() if text not in recorded]
    # Nobody has recorded a rewrite for these: their words, the other way round, are as long.
    write("rewrites", {**recorded, **{text: " ".join(reversed(text.split())) for text in others}})
    write("first", others[:8])
    write("recorded", list(recorded))
    write("all", [*recorded, *others[8:]])
    many = (f"question number {number} of those that a stub has to answer?" for number in range(1000 * STUB_SECONDS))
    write("many", list(many))


def cpu_name():
    with open("/proc/cpuinfo", encoding="utf-8") as lines:
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), "unknown CPU")
    return f"{name}, {CORES} cores, shared by all sides, the language model's stand-in and the load generator"


def main():
    # Whoever ends this ends what it has started, too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(1))
    prepare()
    print(cpu_name())
    busy = os.getloadavg()[0]
    if busy > 0.5:
        print(f"the machine is busy (load {busy:.1f}): compare within a table only")
    if "a" in PARTS:
        stubbed()
    with contextlib.ExitStack() as stack:
        llm = stack.enter_context(Process("llm", [PROGRAM, "llm", f"rewrites={FILES}/rewrites.json"]))
        if "b" in PARTS:
            alone(llm)
        if "c" not in PARTS:
            return
        server = os.environ.get("ASKTWICE_TEST_QDRANT")
        if server:
            engines = (server, server, [])
            behind = f"the peers search the Qdrant server at {server}, whose CPU time is not counted"
        else:
            front = stack.enter_context(Process("front", [PROGRAM, "front"]))
            engines = ("local", front.said, [front])
            behind = ("no Qdrant server was named (ASKTWICE_TEST_QDRANT), so the Python peers search with"
                      "\nqdrant-client's own engine, in memory (exact, NumPy), and the hand-written program a small gRPC server"
                      "\nbefore the embedded engine that asktwice has in process; what that server uses of the CPU is counted"
                      "\nwith the program")
        print(f"\nWhat stands behind: {behind}.")
        versions = beside(llm, *engines)
    version = subprocess.run([ASKTWICE, "--version"], check=True, stdout=subprocess.PIPE, text=True).stdout.strip()
    print("\n" + "\n".join([version, *dict.fromkeys(versions)]))


main()
