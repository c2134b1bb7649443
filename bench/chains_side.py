"""LangChain's MultiQueryRetriever and LlamaIndex's QueryFusionRetriever, for `make bench-serve`.

`chains_side.py langchain|llamaindex MODEL PASSAGES VECTORS QUESTIONS QDRANT` fills a collection and says `{"ready": …}`;
then it does what each line of its input says and prints what came of it as one line of JSON:
`{"callers": N, "seconds": S, "llm": URL, "driver": "async"|"threads", "threads": null|N, "k": null|N}`.

QDRANT is `local`, qdrant-client's own engine in this process, or the URL of a server's gRPC port. Both search with the
question and with one rewrite of it; everything else is as it comes where `k` and `threads` are null.
"""
import asyncio
import functools
import importlib.metadata
import json
import logging
import os
import sys
import threading
import time

os.environ["ANONYMIZED_TELEMETRY"] = os.environ["DO_NOT_TRACK"] = "true"
os.environ["LANGCHAIN_TRACING_V2"] = "false"

import numpy
from fastembed import TextEmbedding
from fastembed.common.model_description import ModelSource, PoolingType
from qdrant_client import AsyncQdrantClient, QdrantClient, models

KIND, MODEL, PASSAGES, VECTORS, QUESTIONS, QDRANT = sys.argv[1:]
COLLECTION = f"asktwice-bench-{KIND}"
DIMENSION = 384
# One for the whole process: clients keep connections that belong to it.
LOOP = asyncio.new_event_loop()
TextEmbedding.add_custom_model(
    model="the-same-model", pooling=PoolingType.MEAN, normalization=True, sources=ModelSource(hf="nobody/nothing"),
    dim=DIMENSION, model_file="model.onnx")


def read(name):
    with open(name, encoding="utf-8") as file:
        return [json.loads(line) for line in file] if name.endswith(".jsonl") else json.load(file)


@functools.cache
def encoder(threads):
    return TextEmbedding("the-same-model", specific_model_path=MODEL, threads=threads)


def vector(threads, text):
    """As the `FastEmbed` classes of both libraries do it, which cannot open a model's folder."""
    return next(iter(encoder(threads).query_embed(text))).tolist()


def client(kind):
    if QDRANT == "local":
        return kind(":memory:")
    host, port = QDRANT.removeprefix("http://").split(":")
    return kind(host=host, grpc_port=int(port), prefer_grpc=True, check_compatibility=False)


class LangChain:
    versions = ["langchain-classic", "langchain-core", "langchain-openai", "langchain-qdrant"]

    def fill(self, passages, vectors):
        self.qdrant = client(QdrantClient)
        self.qdrant.delete_collection(COLLECTION)
        size = models.VectorParams(size=DIMENSION, distance=models.Distance.COSINE)
        self.qdrant.create_collection(COLLECTION, vectors_config=size)
        for at in range(0, len(passages), 256):
            points = [
                models.PointStruct(id=at + number, vector=row.tolist(), payload={
                    "page_content": f"{passage['title']} {passage['text']}", "metadata": {"id": passage["id"]}})
                for number, (passage, row) in enumerate(zip(passages[at:at + 256], vectors[at:at + 256]))]
            self.qdrant.upsert(COLLECTION, points, wait=True)

    def retriever(self, asked):
        from langchain_classic.retrievers.multi_query import MultiQueryRetriever
        from langchain_core.embeddings import Embeddings
        from langchain_openai import ChatOpenAI
        from langchain_qdrant import QdrantVectorStore

        class FastEmbed(Embeddings):
            def embed_documents(self, texts):
                return [vector(asked["threads"], text) for text in texts]

            def embed_query(self, text):
                return vector(asked["threads"], text)

        store = QdrantVectorStore(self.qdrant, COLLECTION, embedding=FastEmbed(), validate_collection_config=False,
                                  validate_embeddings=False)
        given = {"search_kwargs": {"k": asked["k"]}} if asked["k"] else {}
        llm = ChatOpenAI(base_url=asked["llm"], api_key="none", model="recorded", max_retries=0)
        retriever = MultiQueryRetriever.from_llm(store.as_retriever(**given), llm, include_original=True)
        return retriever.ainvoke, retriever.invoke


class LlamaIndex:
    versions = ["llama-index-core", "llama-index-llms-openai-like", "llama-index-vector-stores-qdrant"]

    def fill(self, passages, vectors):
        from llama_index.core.schema import TextNode
        from llama_index.vector_stores.qdrant import QdrantVectorStore
        self.qdrant = client(QdrantClient)
        self.qdrant.delete_collection(COLLECTION)
        nodes = [TextNode(id_=f"00000000-0000-0000-0000-{number:012}", text=f"{passage['title']} {passage['text']}",
                          metadata={"id": passage["id"]}, embedding=row.tolist())
                 for number, (passage, row) in enumerate(zip(passages, vectors))]
        QdrantVectorStore(COLLECTION, client=self.qdrant).add(nodes)
        self.nodes = nodes if QDRANT == "local" else None

    def retriever(self, asked):
        from llama_index.core import VectorStoreIndex
        from llama_index.core.base.embeddings.base import BaseEmbedding
        from llama_index.core.retrievers import QueryFusionRetriever
        from llama_index.llms.openai_like import OpenAILike
        from llama_index.vector_stores.qdrant import QdrantVectorStore

        class FastEmbed(BaseEmbedding):
            def _get_text_embedding(self, text):
                return vector(asked["threads"], text)

            def _get_query_embedding(self, query):
                return vector(asked["threads"], query)

            async def _aget_query_embedding(self, query):
                return await asyncio.to_thread(self._get_query_embedding, query)

        is_async = asked["driver"] == "async"
        clients = {"client": self.qdrant}
        if is_async:
            clients["aclient"] = self.async_client()
        store = QdrantVectorStore(COLLECTION, **clients)
        k = {"similarity_top_k": asked["k"]} if asked["k"] else {}
        index = VectorStoreIndex.from_vector_store(store, embed_model=FastEmbed())
        llm = OpenAILike(api_base=asked["llm"], api_key="none", model="recorded", is_chat_model=True, max_retries=0)
        # The original and one more.
        retriever = QueryFusionRetriever([index.as_retriever(**k)], llm=llm, num_queries=2, use_async=is_async, **k)
        return retriever.aretrieve, retriever.retrieve

    @functools.cache
    def async_client(self):
        """In memory, the two kinds of client share nothing: the asynchronous one is filled, too."""
        from llama_index.vector_stores.qdrant import QdrantVectorStore
        filled = client(AsyncQdrantClient)
        if self.nodes:
            LOOP.run_until_complete(QdrantVectorStore(COLLECTION, aclient=filled).async_add(self.nodes))
        return filled


def take_turns(questions, seconds):
    """Hands each question out once, until the time is over."""
    begin, numbers = time.perf_counter(), iter(range(len(questions)))
    while time.perf_counter() - begin < seconds and (number := next(numbers, None)) is not None:
        yield questions[number]


def by_async(ask, turns, callers, took):
    async def caller():
        for question in turns:
            asked = time.perf_counter()
            assert await ask(question)
            took.append((time.perf_counter() - asked) * 1e3)

    async def all_callers():
        await asyncio.gather(*(caller() for _ in range(callers)))

    LOOP.run_until_complete(all_callers())


def by_threads(ask, turns, callers, took):
    lock = threading.Lock()

    def caller():
        while True:
            with lock:
                question = next(turns, None)
            if question is None:
                return
            asked = time.perf_counter()
            assert ask(question)
            took.append((time.perf_counter() - asked) * 1e3)

    threads = [threading.Thread(target=caller) for _ in range(callers)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def run(side, questions, asked):
    ask_async, ask = side.retriever(asked)
    by, ask = (by_async, ask_async) if asked["driver"] == "async" else (by_threads, ask)
    by(ask, take_turns(questions[:2], 60), 1, [])
    took, begin = [], time.perf_counter()
    by(ask, take_turns(questions, asked["seconds"]), asked["callers"], took)
    return {"took_ms": took, "per_second": len(took) / (time.perf_counter() - begin)}


def main():
    logging.disable(logging.WARNING)
    side = {"langchain": LangChain, "llamaindex": LlamaIndex}[KIND]()
    side.fill(read(PASSAGES), numpy.fromfile(VECTORS, dtype="<f4").reshape(-1, DIMENSION))
    packages = [*side.versions, "qdrant-client", "fastembed", "onnxruntime"]
    version = [f"{name} {importlib.metadata.version(name)}" for name in packages]
    print(json.dumps({"ready": [f"{', '.join(version)} (Python {sys.version.split()[0]})"]}), flush=True)
    questions = read(QUESTIONS)
    for line in sys.stdin:
        print(json.dumps(run(side, questions, json.loads(line))), flush=True)


main()
