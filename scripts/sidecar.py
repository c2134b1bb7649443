"""A sidecar for the tests that speak to one from outside: `asktwice serve` on a corpus, in a folder of the test's own."""

import contextlib
import os
import pathlib
import subprocess

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = str(ROOT / "target/release/asktwice")
HELP_CENTRE = ROOT / "examples/help-centre"
SETTINGS = {
    "ASKTWICE__EMBED__MODEL": str(ROOT / ".asktwice/models/all-MiniLM-L6-v2"),
    "ASKTWICE__EMBED__LIBRARY": str(ROOT / ".asktwice/lib/libonnxruntime.so"),
    "ASKTWICE__SERVER__ADMIN": "",
    "ASKTWICE_LOG": "error",
}


def within(folder, settings):
    """Where a command runs, and what it is told there."""
    return {"cwd": folder, "env": {**os.environ, **SETTINGS, **settings}}


def index(folder, corpus, settings):
    subprocess.run([PROGRAM, "index", str(corpus)], **within(folder, settings), check=True, stderr=subprocess.DEVNULL)


@contextlib.contextmanager
def serve(folder, settings):
    """The address of a sidecar on what was indexed in the folder. Whatever was asked of it, it ends as it should."""
    command = [PROGRAM, "serve", "--listen", "127.0.0.1:0"]
    process = subprocess.Popen(command, **within(folder, settings), stdout=subprocess.PIPE, text=True)
    try:
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
    assert process.wait(20) == 0
