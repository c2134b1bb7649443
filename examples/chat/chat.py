"""A chat app: searches with asktwice's sidecar, answers with a language model. `pip install openai`."""

import argparse
import sys

from openai import APIError, OpenAI

INSTRUCTIONS = """Answer from the passages alone, in two or three sentences, and name the passages that you used in
brackets, like [2]. If they do not hold the answer, say so."""


def search(sidecar, collection, question, earlier):
    """What the sidecar finds; it rewrites the question itself, by what was said before it."""
    messages = [*earlier, {"role": "user", "content": question}]
    body = {"collection": collection, "messages": messages, "limit": 4}
    return sidecar.post("/retrieve", cast_to=object, body=body)["hits"]


def title(hit):
    return hit["passage"]["title"] or hit["passage"]["document_id"]


def answer(llm, model, question, hits, earlier):
    """Streams the language model's answer; returns it whole."""
    passages = "\n\n".join(f"[{n}] {title(hit)}\n{hit['passage']['text']}" for n, hit in enumerate(hits, 1))
    prompt = {"role": "user", "content": f"Passages:\n{passages}\n\nQuestion: {question}"}
    messages = [{"role": "system", "content": INSTRUCTIONS}, *earlier, prompt]
    said = ""
    for chunk in llm.chat.completions.create(model=model, messages=messages, stream=True):
        piece = chunk.choices[0].delta.content if chunk.choices else None
        said += piece or ""
        print(piece or "", end="", flush=True)
    print()
    return said


def told(error):
    """What a server said of a request, or that none is there."""
    said = error.body if isinstance(error.body, dict) else {}
    return said.get("message") or said.get("detail") or str(error)


def show(hits):
    for n, hit in enumerate(hits, 1):
        print(f"  [{n}] {title(hit)}  ({hit['normalised']:.2f})")


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sidecar", default="http://127.0.0.1:8080/v1")
    parser.add_argument("--key", default="none needed", help="the sidecar's key, where it wants one")
    parser.add_argument("--collection", default="passages")
    parser.add_argument("--llm", help="an OpenAI-compatible endpoint, such as http://localhost:11434/v1")
    parser.add_argument("--llm-key", default="none needed")
    parser.add_argument("--model", default="qwen3:4b")
    options = parser.parse_args()
    sidecar = OpenAI(base_url=options.sidecar, api_key=options.key, timeout=10)
    llm = OpenAI(base_url=options.llm, api_key=options.llm_key) if options.llm else None
    earlier = []
    print("Ask away; an empty line ends.")
    for line in sys.stdin:
        question = line.strip()
        if not question:
            break
        try:
            hits = search(sidecar, options.collection, question, earlier)
        except APIError as error:
            print(f"{options.sidecar}: {told(error)}")
            continue
        show(hits)
        turns = [{"role": "user", "content": question}]
        try:
            if llm and hits:
                turns.append({"role": "assistant", "content": answer(llm, options.model, question, hits, earlier)})
        except APIError as error:
            print(f"{options.llm}: {told(error)}")
        earlier += turns


if __name__ == "__main__":
    main()
