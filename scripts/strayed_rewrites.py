#!/usr/bin/env python3
"""Rewrites that are made to stray, and short questions, from a judged collection: what weights are tried on.

usage: strayed_rewrites.py BEIR_FOLDER OUT_FOLDER [RECORDED_REWRITES ...]

OUT_FOLDER gets
- half.jsonl: each question's first four content words, so that the rest is lost;
- other-NAME.jsonl for each file of recorded rewrites: the rewrite of another question;
- short/: the collection with those four words as questions, and
- short/frame.jsonl: the short question in a frame that adds nothing.

`asktwice eval --data … --rewrites …` measures them.
"""

import json
import os
import re
import sys

STOP = set(
    "a an the of in on for to and or is are was were be been by with from at as that this these those it its their his "
    "her has have had do does did not no than then which who whom what can could may might will would should into over "
    "under between during after before through more most less such both either neither among within without about "
    "against per via up down out off only also very there when where while if so because due".split()
)
WORD = re.compile(r"[A-Za-z0-9][\w\-\+/']*")
FRAMES = [
    "What is the relationship between {}?",
    "How does {} work in people?",
    "What are the effects of {} on health?",
    "Can you explain the role of {}?",
]


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def shortened(text):
    return " ".join([word for word in WORD.findall(text) if word.lower() not in STOP][:4])


def main(data, out, recorded):
    short = os.path.join(out, "short")
    os.makedirs(short, exist_ok=True)
    for name in ("corpus.jsonl", "qrels"):
        if not os.path.lexists(os.path.join(short, name)):
            os.symlink(os.path.abspath(os.path.join(data, name)), os.path.join(short, name))
    queries = lines(os.path.join(data, "queries.jsonl"))
    half = [{"_id": query["_id"], "text": shortened(query["text"])} for query in queries]
    write(os.path.join(short, "queries.jsonl"), half)
    write(os.path.join(out, "half.jsonl"), [{"_id": query["_id"], "rewrites": [query["text"]]} for query in half])
    frames = [
        {"_id": query["_id"], "rewrites": [FRAMES[number % len(FRAMES)].format(query["text"])]}
        for number, query in enumerate(half)
    ]
    write(os.path.join(short, "frame.jsonl"), frames)
    for path in recorded:
        rows = lines(path)
        # Far enough along that neighbours in the file, which are often alike, are not taken.
        other = [rows[(number + 37) % len(rows)]["rewrites"] for number in range(len(rows))]
        moved = [{"_id": row["_id"], "rewrites": rewrites} for row, rewrites in zip(rows, other)]
        write(os.path.join(out, "other-" + os.path.basename(path)), moved)


if __name__ == "__main__":
    if len(sys.argv) < 3:
        sys.exit(__doc__)
    main(sys.argv[1], sys.argv[2], sys.argv[3:])
