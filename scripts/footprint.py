#!/usr/bin/env python3
"""What asktwice weighs: disk, and the time and peak memory of `ask` from process start to answer.

Asks every question of the help centre once, each in a process of its own, on the index that `make demo` makes.
Prints the medians. Run it with `make footprint`.
"""
import json
import os
import statistics
import subprocess
import sys
import time

PROGRAM = "target/release/asktwice"
INDEX = ["--store", "edge:.asktwice/demo", "--collection", "index-int8-english-none"]
PARTS = [PROGRAM, ".asktwice/lib/libonnxruntime.so", ".asktwice/models/all-MiniLM-L6-v2/model_int8.onnx",
         ".asktwice/models/all-MiniLM-L6-v2/tokenizer.json"]


def ask(question):
    """Seconds and peak memory in MB of one `ask`."""
    begin = time.monotonic()
    process = subprocess.Popen([PROGRAM, "ask", question, *INDEX], stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        sys.exit(f"ask failed for {question!r}; run `make demo` first")
    return time.monotonic() - begin, usage.ru_maxrss / 1024


def main():
    sizes = {part: os.path.getsize(part) / 1e6 for part in PARTS}
    for part, size in sizes.items():
        print(f"{size:8.1f} MB  {part}")
    print(f"{sum(sizes.values()):8.1f} MB  together")
    with open("examples/help-centre/queries.jsonl", encoding="utf-8") as lines:
        questions = [json.loads(line)["text"] for line in lines]
    seconds, memory = zip(*(ask(question) for question in questions))
    print(f"{statistics.median(seconds):8.3f} s   ask, process start to answer, median of {len(questions)} questions"
          f" (slowest {max(seconds):.3f} s)")
    print(f"{max(memory):8.1f} MB  peak memory of ask, the largest of {len(questions)}")
    if sum(sizes.values()) > 120 or statistics.median(seconds) > 0.4 or max(memory) > 200:
        sys.exit("more than promised: 120 MB on disk, 0.4 s, 200 MB of memory")


main()
