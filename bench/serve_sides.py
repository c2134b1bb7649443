"""The sides of `make bench-serve`: programs that are started, and asked in a closed or an open loop."""
import json
import math
import os
import subprocess
import sys
import time

PROGRAM, SCIFACT = sys.argv[1:]
ASKTWICE = "target/release/asktwice"
BY_HAND_PROGRAM = "target/bench/release/byhand"
HOME = ".asktwice/bench"
FILES = f"{HOME}/scifact"
LIBRARY = os.path.abspath(".asktwice/lib/libonnxruntime.so")
TICKS = os.sysconf("SC_CLK_TCK")
# The embedded engine's collection that all sides search, as it is or as a copy.
STORE = ["--set", f"store.url=edge:{FILES}/data", "--set", "store.collection=scifact"]
LANGCHAIN, LLAMAINDEX, BY_HAND = "LangChain MultiQueryRetriever", "LlamaIndex QueryFusionRetriever", "by hand, in Rust"


class Process:
    """A program that says something when it is ready, and runs until the end."""

    def __init__(self, name, command, **environment):
        environment = {**os.environ, "ORT_DYLIB_PATH": LIBRARY, **environment}
        with open(f"{HOME}/{name}.log", "wb") as log:
            pipe = subprocess.PIPE
            self.process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, env=environment)
        self.name = name
        self.said = self.read()

    def read(self):
        line = self.process.stdout.readline()
        if not line:
            sys.exit(f"{self.name} ended; {HOME}/{self.name}.log says why")
        return line.strip()

    def cpu(self):
        """Seconds of CPU time so far, of all its threads."""
        with open(f"/proc/{self.process.pid}/stat", encoding="utf-8") as stat:
            fields = stat.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / TICKS

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()


def load(server, **settings):
    """One run of the load generator, with what the server used of the CPU meanwhile."""
    settings["server"] = server.said.rsplit("http://", 1)[1]
    before = server.cpu()
    command = [PROGRAM, "load", *(f"{key}={value}" for key, value in settings.items())]
    found = json.loads(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True).stdout)
    found["cpu_ms"] = (server.cpu() - before) * 1e3 / found["count"]
    return found


def sidecar(llm, *settings):
    """`asktwice serve` on SciFact, once it is ready."""
    rewriter = ["--set", f"rewrite.url={llm}", "--set", "rewrite.model=recorded", "--set", "rewrite.deadline_ms=5000"]
    flags = ["--listen", "127.0.0.1:0", "--set", "server.admin=127.0.0.1:0", *STORE, *rewriter, *settings]
    served = Process("asktwice", [ASKTWICE, "serve", *flags])
    while load(served, get="/readyz", callers=1, seconds=0.001)["outcomes"].keys() != {"200"}:
        time.sleep(0.05)
    load(served, questions=f"{FILES}/first.json", callers=2)
    return served


class Peer(Process):
    """A program that asks its own retriever, in its own process, and is told how on its input."""

    def __init__(self, name, command, engine, behind=(), **fixed):
        files = [f"{HOME}/model", f"{FILES}/passages.jsonl", f"{FILES}/vectors.f32", f"{FILES}/recorded.json", engine]
        super().__init__(command[-1].rsplit("/", 1)[-1], [*command, *files])
        self.name, self.behind, self.fixed = name, behind, fixed
        self.versions = json.loads(self.said)["ready"]

    def run(self, **asked):
        before = self.cpu()
        print(json.dumps({**self.fixed, **asked}), file=self.process.stdin, flush=True)
        found = json.loads(self.read())
        took = sorted(found.pop("took_ms"))
        rank = lambda share: took[max(1, math.ceil(len(took) * share)) - 1]
        return {**found, "count": len(took), "p50_ms": rank(0.5), "p99_ms": rank(0.99),
                "cpu_ms": (self.cpu() - before) * 1e3 / len(took)}

    def cpu(self):
        return super().cpu() + sum(process.cpu() for process in self.behind)


class Ours:
    """A sidecar, asked over HTTP."""

    name = "asktwice"

    def __init__(self, server):
        self.server = server

    def run(self, llm, callers, seconds):
        """As a peer does it; which language model it asks was said when it was started."""
        return load(self.server, callers=callers, seconds=seconds, questions=f"{FILES}/recorded.json")


def peers(python, rust, behind):
    """The peers, started: the hand-written program always speaks gRPC; the Python ones search in their own process unless
    a server is named."""
    program = [f"{HOME}/chains/bin/python", "bench/chains_side.py"]
    fixed = {"driver": "async", "threads": None, "k": None}
    yield Peer(LANGCHAIN, [*program, "langchain"], python, **fixed)
    yield Peer(LLAMAINDEX, [*program, "llamaindex"], python, **fixed)
    yield Peer(BY_HAND, [BY_HAND_PROGRAM], rust, behind)
