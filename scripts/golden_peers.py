#!/usr/bin/env python3
"""Writes tests/fixtures/golden_peers.json: the order in which other libraries' own code fuses 200 random cases.

    python3 -m venv .asktwice/peers
    .asktwice/peers/bin/pip install langchain-classic==1.0.8 llama-index-core==0.14.25 haystack-ai==3.4.1
    .asktwice/peers/bin/python scripts/golden_peers.py

The cases are the rough ones of fusion_cases.py: with empty and one-entry rankings and equal scores, where the libraries
differ most. Every entry is the library's whole result, in its own order, with its scores where it tells them.
"""

from importlib.metadata import version

from fusion_cases import CASES, case, write, written
from haystack import Document as HaystackDocument
from haystack.components.joiners import DocumentJoiner
from langchain_classic.retrievers import EnsembleRetriever
from langchain_core.documents import Document
from langchain_core.retrievers import BaseRetriever
from llama_index.core.llms import MockLLM
from llama_index.core.retrievers import BaseRetriever as LlamaRetriever, QueryFusionRetriever
from llama_index.core.schema import NodeWithScore, TextNode

VERSIONS = {"langchain-classic": "1.0.8", "llama-index-core": "0.14.25", "haystack-ai": "3.4.1"}


class Silent(BaseRetriever):
    def _get_relevant_documents(self, query, *, run_manager):
        return []


class SilentLlama(LlamaRetriever):
    def _retrieve(self, query_bundle):
        return []


def langchain(rankings, weights):
    ensemble = EnsembleRetriever(retrievers=[Silent()] * len(rankings), weights=weights)
    lists = [[Document(page_content=str(id)) for id, _ in ranking] for _, ranking in rankings]
    return [(int(doc.page_content), None) for doc in ensemble.weighted_reciprocal_rank(lists)]


def llamaindex(mode):
    def fuse(rankings, weights):
        retrievers = [SilentLlama() for _ in rankings]
        fusion = QueryFusionRetriever(retrievers, llm=MockLLM(), num_queries=1, retriever_weights=weights)
        node = lambda id, score: NodeWithScore(node=TextNode(id_=str(id), text=str(id)), score=score)
        results = {("q", leg): [node(id, s) for id, s in ranking] for leg, (_, ranking) in enumerate(rankings)}
        fused = {
            "rrf": lambda: fusion._reciprocal_rerank_fusion(results),
            "relative": lambda: fusion._relative_score_fusion(results),
            "dist": lambda: fusion._relative_score_fusion(results, dist_based=True),
            "simple": lambda: fusion._simple_fusion(results),
        }[mode]()
        return [(int(node.node.text), node.score) for node in fused]
    return fuse


def haystack(mode):
    def fuse(rankings, weights):
        lists = [[HaystackDocument(id=str(id), content=str(id), score=s) for id, s in ranking] for _, ranking in rankings]
        joined = DocumentJoiner(join_mode=mode, weights=weights).run(documents=lists)["documents"]
        return [(int(doc.id), doc.score) for doc in joined]
    return fuse


FUSIONS = {
    "parity:langchain": langchain,
    "parity:llamaindex-rrf": llamaindex("rrf"),
    "parity:llamaindex-relative": llamaindex("relative"),
    "parity:llamaindex-dist": llamaindex("dist"),
    "parity:llamaindex-simple": llamaindex("simple"),
    "parity:haystack-rrf": haystack("reciprocal_rank_fusion"),
    "parity:haystack-dbsf": haystack("distribution_based_rank_fusion"),
    "parity:haystack-merge": haystack("merge"),
    "parity:haystack-concatenate": haystack("concatenate"),
}


def main():
    for package, pinned in VERSIONS.items():
        assert version(package) == pinned, f"this fixture is made with {package} {pinned}"
    cases = [case(seed, "rough") for seed in range(CASES)]
    golden = []
    for fusion, fuse in FUSIONS.items():
        for weighted in (False, True):
            results = []
            for rankings in cases:
                weights = [weight for weight, _ in rankings] if weighted else [1.0] * len(rankings)
                results.append(written(fuse(rankings, weights)))
            golden.append({"fusion": fusion, "kind": "rough", "weighted": weighted, "cases": results})
            print(fusion, "weighted" if weighted else "")
    write("tests/fixtures/golden_peers.json", VERSIONS, golden)


if __name__ == "__main__":
    main()
