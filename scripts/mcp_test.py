"""The sidecar's tools through the official Python client of the Model Context Protocol, over streamable HTTP and over
standard input and output, with and without a handshake. Run by `make test-clients`, which installs it."""

import asyncio
import contextlib
import importlib.metadata
import pathlib
import tempfile

import httpx2
import mcp
from mcp.client.streamable_http import streamable_http_client

import sidecar

# What the reader may find.
SCOPE = '{"must": [{"key": "topic", "match": {"value": "refunds"}}]}'
SETTINGS = {
    "ASKTWICE__SERVER__TENANTS__EDITOR__KEY": "the-key-of-the-editor",
    "ASKTWICE__SERVER__TENANTS__EDITOR__WRITE": "true",
    "ASKTWICE__SERVER__TENANTS__READER__KEY": "the-key-of-the-reader",
    "ASKTWICE__SERVER__TENANTS__READER__FILTER": SCOPE,
}
ARTICLES = [
    '{"_id": "refund", "text": "A refund reaches your card within five days.", "topic": "refunds"}',
    '{"_id": "late", "text": "Your order is late: follow the courier on the map.", "topic": "delivery"}',
]
# With a handshake, and the first version without one.
MODES = {"legacy": "2025-11-25", "auto": "2026-07-28"}


@contextlib.asynccontextmanager
async def over_http(url, tenant, mode):
    """A client whose key is that of a tenant."""
    headers = {"Authorization": f"Bearer the-key-of-the-{tenant}"}
    async with httpx2.AsyncClient(headers=headers, timeout=20) as http:
        async with mcp.Client(streamable_http_client(url, http_client=http), mode=mode) as client:
            yield client


def over_stdio(folder, tenant, mode):
    """A client that starts the program itself."""
    arguments = ["mcp", "--tenant", tenant]
    settings = {**sidecar.SETTINGS, **SETTINGS}
    server = mcp.StdioServerParameters(command=sidecar.PROGRAM, args=arguments, env=settings, cwd=folder)
    return mcp.Client(server, mode=mode)


def texts(result):
    return [block.text for block in result.content]


async def check_editor(client, mode, word):
    """Lists, stores, finds, retrieves, and errs."""
    assert client.protocol_version == MODES[mode], client.protocol_version
    tools = {tool.name: tool for tool in (await client.list_tools()).tools}
    assert set(tools) == {"retrieve", "qdrant-find", "qdrant-store"}, tools
    assert tools["retrieve"].annotations.read_only_hint and not tools["qdrant-store"].annotations.read_only_hint
    assert tools["qdrant-find"].input_schema["required"] == ["query"], tools["qdrant-find"]

    information = f"The password of the {word} is on the fridge"
    stored = await client.call_tool("qdrant-store", {"information": information, "metadata": {"topic": word}})
    assert texts(stored) == [f"Remembered: {information} in collection passages"], stored
    found = await client.call_tool("qdrant-find", {"query": f"where is the password of the {word}?"})
    assert texts(found)[0] == f"Results for the query 'where is the password of the {word}?'", found
    entry = f'<entry><content>{information}</content><metadata>{{"topic":"{word}"}}</metadata></entry>'
    assert texts(found)[1] == entry, found

    # The client checks what comes back against the schema that the tool promises.
    result = await client.call_tool("retrieve", {"question": "when do I get my money back?", "limit": 2})
    fields = result.structured_content
    assert fields["hits"][0]["id"] == "refund" and len(fields["hits"]) == 2, fields
    assert fields["outcome"] == "asked_only" and fields["degradations"] == [], fields
    assert "A refund reaches your card within five days." in texts(result)[0], result

    wrong = await client.call_tool("retrieve", {"question": "x", "limit": 0})
    assert wrong.is_error and "limit: 0 is not from 1 to 1000" in texts(wrong)[0], wrong
    unknown = await client.call_tool("retrieve", {"question": "x", "limt": 3})
    assert unknown.is_error and "limt" in texts(unknown)[0], unknown


async def check_reader(client):
    """A tenant with a filter reads what it lets through, whatever it asks for."""
    names = [tool.name for tool in (await client.list_tools()).tools]
    assert names == ["retrieve", "qdrant-find"], names
    anything = {"must_not": [{"key": "topic", "match": {"value": "nothing"}}]}
    result = await client.call_tool("retrieve", {"question": "late order", "filter": anything})
    assert [hit["id"] for hit in result.structured_content["hits"]] == ["refund"], result
    refused = await client.call_tool("qdrant-store", {"information": "x"})
    assert refused.is_error and texts(refused) == ["this key may not write"], refused


async def check_http(folder):
    with sidecar.serve(folder, SETTINGS) as address:
        url = f"{address}/mcp"
        for mode in MODES:
            async with over_http(url, "editor", mode) as client:
                await check_editor(client, mode, f"{mode} neighbour")
            async with over_http(url, "reader", mode) as client:
                await check_reader(client)
        try:
            async with over_http(url, "stranger", "legacy"):
                raise AssertionError("a stranger was let in")
        except Exception as error:
            assert not isinstance(error, AssertionError), error


async def check_stdio(folder):
    for mode in MODES:
        async with over_stdio(folder, "editor", mode) as client:
            await check_editor(client, mode, f"{mode} uncle")
        async with over_stdio(folder, "reader", mode) as client:
            await check_reader(client)


def main():
    with tempfile.TemporaryDirectory() as folder:
        articles = pathlib.Path(folder) / "articles.jsonl"
        articles.write_text("\n".join(ARTICLES))
        sidecar.index(folder, articles, SETTINGS)
        asyncio.run(check_http(folder))
        asyncio.run(check_stdio(folder))
    print(f"mcp {importlib.metadata.version('mcp')}: well")


if __name__ == "__main__":
    main()
