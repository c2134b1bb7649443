"""The sidecar through OpenAI's own Python client. Run by `make test-clients`, which installs it."""

import json
import pathlib
import subprocess
import sys
import tempfile

import openai

import sidecar

KEY = "the-key-of-the-openai-client"
SETTINGS = {
    "ASKTWICE__SERVER__TENANTS__CHAT__KEY": KEY,
    "ASKTWICE__SERVER__TENANTS__SLOW__KEY": KEY + "-slow",
    "ASKTWICE__SERVER__TENANTS__SLOW__REQUESTS_PER_MINUTE": "60",
}


def refused(kind, work):
    try:
        work()
    except kind as error:
        return error
    raise AssertionError(f"{kind.__name__} was expected")


def check_search(client):
    page = client.vector_stores.search("passages", query="someone stole my food", max_num_results=3)
    assert page.search_query == ["someone stole my food"] and len(page.data) == 3, page
    hit = page.data[0]
    assert hit.content[0].type == "text" and hit.content[0].text and 0 <= hit.score <= 1, hit
    assert isinstance(hit.attributes, dict) and hit.file_id and hit.filename, hit
    several = client.vector_stores.search("passages", query=["where is my money?", "refund status"], rewrite_query=True)
    assert several.search_query == ["where is my money?", "refund status"], several
    threshold = client.vector_stores.search("passages", query="refund", ranking_options={"score_threshold": 0.99})
    assert len(threshold.data) <= len(page.data) + 7
    nothing = {"type": "and", "filters": [{"type": "eq", "key": "passage_id", "value": "none"}]}
    assert client.vector_stores.search("passages", query="refund", filters=nothing).data == []


def check_rewriting(client, recorded):
    """What was asked and what it was rewritten into, both searched with."""
    for question, rewrite in recorded:
        page = client.vector_stores.search("passages", query=question, rewrite_query=True)
        assert page.search_query == [question, rewrite], page.search_query
    question = recorded[0][0]
    assert client.vector_stores.search("passages", query=question).search_query == [question]


def check_example(url, question):
    """The chat app of the examples: two turns, of which the second is asked with the first before it."""
    program = [sys.executable, str(sidecar.ROOT / "examples/chat/chat.py"), "--sidecar", url, "--key"]
    run = lambda key: subprocess.run([*program, key], input=f"{question}\nand by card?\n\n", text=True, capture_output=True)
    said = run(KEY)
    assert said.returncode == 0 and said.stdout.count("  [1] ") == 2, said
    refused = run("nobody")
    assert refused.returncode == 0 and refused.stdout.count("the key is not known") == 2, refused


def record(folder):
    """Three of the help centre's recorded rewrites, in a file for the sidecar."""
    lines = lambda name: map(json.loads, (sidecar.HELP_CENTRE / name).read_text().splitlines())
    questions = {line["_id"]: line["text"] for line in lines("queries.jsonl")}
    recorded = [(questions[line["_id"]], line["rewrites"][0]) for line in lines("rewrites.jsonl")][:3]
    file = pathlib.Path(folder) / "recorded.jsonl"
    file.write_text("".join(json.dumps({"question": asked, "rewrites": [said]}) + "\n" for asked, said in recorded))
    return recorded, {"ASKTWICE__REWRITE__RECORDED_FILE": f"{file}:paraphrase"}


def check_listing(client):
    stores = client.vector_stores.list()
    assert [store.id for store in stores] == ["passages"]
    store = client.vector_stores.retrieve("passages")
    assert store.file_counts.total > 100 and store.status == "completed", store
    assert [model.id for model in client.models.list()] == ["all-MiniLM-L6-v2"]


def check_embeddings(client):
    # Without a format the client asks for base64 and decodes it.
    default = client.embeddings.create(model="all-MiniLM-L6-v2", input=["late order", "soup"])
    floats = client.embeddings.create(model="all-MiniLM-L6-v2", input="late order", encoding_format="float")
    assert len(default.data) == 2 and len(default.data[0].embedding) == 384
    close = zip(default.data[0].embedding, floats.data[0].embedding)
    assert all(abs(a - b) < 1e-6 for a, b in close) and floats.usage.total_tokens > 0


def check_errors(client, url):
    error = refused(openai.NotFoundError, lambda: client.vector_stores.search("other", query="x"))
    assert error.code == "no_collection", error
    error = refused(openai.BadRequestError, lambda: client.vector_stores.search("passages", query="x", max_num_results=99))
    assert error.param == "max_num_results", error
    error = refused(openai.BadRequestError, lambda: client.vector_stores.search("passages", query="x", extra_body={"quer": 1}))
    assert "quer" in error.message, error
    refused(openai.NotFoundError, lambda: client.embeddings.create(model="text-embedding-3-small", input="x"))
    stranger = openai.OpenAI(base_url=url, api_key="nobody", max_retries=0)
    refused(openai.AuthenticationError, lambda: stranger.models.list())


def check_limits(url):
    """Over its rate the client waits as long as it is told, and gets its answer."""
    hasty = openai.OpenAI(base_url=url, api_key=KEY + "-slow", max_retries=2)
    for _ in range(63):
        hasty.models.list()
    never = hasty.with_options(max_retries=0)
    refused(openai.RateLimitError, lambda: [never.models.list() for _ in range(70)])


def main():
    with tempfile.TemporaryDirectory() as folder:
        recorded, replayed = record(folder)
        sidecar.index(folder, sidecar.HELP_CENTRE / "corpus.jsonl", SETTINGS)
        with sidecar.serve(folder, {**SETTINGS, **replayed}) as address:
            url = f"{address}/v1"
            client = openai.OpenAI(base_url=url, api_key=KEY, timeout=20)
            check_search(client)
            check_rewriting(client, recorded)
            check_example(url, recorded[0][0])
            check_listing(client)
            check_embeddings(client)
            check_errors(client, url)
            check_limits(url)
    print(f"openai {openai.__version__}: well")


if __name__ == "__main__":
    main()
