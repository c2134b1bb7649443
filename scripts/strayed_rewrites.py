#!/usr/bin/env python3
"""Rewrites that are made to stray, and short questions, from a judged collection: what weights are tried on.

usage: strayed_rewrites.py BEIR_FOLDER OUT_FOLDER [RECORDED_REWRITES ...]

OUT_FOLDER gets
- half.jsonl: each question's first four content words, so that the rest is lost;
- other-NAME.jsonl for each file of recorded rewrites: the rewrite of another question;
- short/: the collection with those four words as questions, and
- short/frame.jsonl: the short question in a frame that adds nothing;
- polite/: the collection with the questions in the words of somebody who chats, and
- polite/bare.jsonl: the question without them.

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
POLITE = [
    "Hi there, I would like to know whether it is true that {}, can you help me with that please?",
    "Hello! My sister told me yesterday that {} and now I am not sure what to think, is she right?",
    "hey, quick question: somebody at work says that {} - do you have anything about that? thanks a lot",
    "Good morning, I am writing something for school and I need to find out if {}. Where could I read about it?",
]


def lines(path):
    with open(path, encoding="utf-8") as file:
        return [json.loads(line) for line in file if line.strip()]


def write(path, rows):
    with open(path, "w", encoding="utf-8") as file:
        file.writelines(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def shortened(text):
    return " ".join([word for word in WORD.findall(text) if word.lower() not in STOP][:4])


def framed(frames, number, text):
    return frames[number % len(frames)].format(text)


def rewritten(queries, texts):
    return [{"_id": query["_id"], "rewrites": [text]} for query, text in zip(queries, texts)]


def collection(data, folder, queries, texts):
    """The same passages and judgements with other questions."""
    os.makedirs(folder, exist_ok=True)
    for name in ("corpus.jsonl", "qrels"):
        if not os.path.lexists(os.path.join(folder, name)):
            os.symlink(os.path.abspath(os.path.join(data, name)), os.path.join(folder, name))
    rows = [{"_id": query["_id"], "text": text} for query, text in zip(queries, texts)]
    write(os.path.join(folder, "queries.jsonl"), rows)
    return folder


def main(data, out, recorded):
    queries = lines(os.path.join(data, "queries.jsonl"))
    bare = [query["text"].rstrip(". ") for query in queries]
    half = [shortened(text) for text in bare]
    short = collection(data, os.path.join(out, "short"), queries, half)
    write(os.path.join(out, "half.jsonl"), rewritten(queries, half))
    frames = [framed(FRAMES, number, text) for number, text in enumerate(half)]
    write(os.path.join(short, "frame.jsonl"), rewritten(queries, frames))
    asked = [framed(POLITE, number, text) for number, text in enumerate(bare)]
    polite = collection(data, os.path.join(out, "polite"), queries, asked)
    write(os.path.join(polite, "bare.jsonl"), rewritten(queries, bare))
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
