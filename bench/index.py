#!/usr/bin/env python3
"""`make bench-index`: how long it takes until a corpus can be searched, from process start, in the embedded engine.

Indexes BEIR's SciFact into a new collection: reading, embedding, words, writing, and building the index. Then once more
with nothing changed, which is what going on after a kill costs per passage. Prints a table, and what the 8 million tokens
of FastEmbed's own headline (about three hours on an Apple M1 Pro) would take at that pace.
"""
import json
import os
import subprocess
import sys
import tempfile
import time

HEADLINE_TOKENS = 8e6


def index(program, corpus, folder, precision):
    """The report of a run, its seconds from start to end, and what the kernel says that it used."""
    command = [program, "index", corpus, "--json", "--store", f"edge:{folder}", "--precision", precision]
    begin = time.monotonic()
    with tempfile.TemporaryFile("w+") as out:
        process = subprocess.Popen(command, stdout=out, stderr=subprocess.DEVNULL)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begin
        out.seek(0)
        if status != 0:
            sys.exit(f"{' '.join(command)} failed")
        return json.load(out), seconds, usage


def main():
    program, data = sys.argv[1:3]
    precisions = os.environ.get("PRECISIONS", "int8 fp32").split()
    corpus = os.path.join(data, "corpus.jsonl")
    print(f"{len(os.sched_getaffinity(0))} cores, load {os.getloadavg()[0]:.1f} at the start; {corpus}")
    print("| precision | passages | tokens | seconds | CPU seconds | docs/s | tokens/s | peak MB | unchanged again, s "
          "| 8 M tokens, hours |")
    print("|---|---|---|---|---|---|---|---|---|---|")
    for precision in precisions:
        with tempfile.TemporaryDirectory() as folder:
            report, seconds, usage = index(program, corpus, folder, precision)
            again, seconds_again, _ = index(program, corpus, folder, precision)
        if again["indexed"] or again["skipped"] != report["indexed"]:
            sys.exit(f"a second run embedded again: {again}")
        documents, passages, tokens = report["documents"], report["indexed"], report["tokens"]
        hours = HEADLINE_TOKENS / (tokens / seconds) / 3600
        print(f"| {precision} | {passages} | {tokens} | {seconds:.1f} | {usage.ru_utime + usage.ru_stime:.1f} "
              f"| {documents / seconds:.0f} | {tokens / seconds:.0f} | {usage.ru_maxrss / 1024:.0f} | {seconds_again:.1f} "
              f"| {hours:.2f} |", flush=True)


main()
