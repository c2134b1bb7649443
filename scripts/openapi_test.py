"""The sidecar's OpenAPI document against the sidecar, by schemathesis: requests that the document allows, requests that it
forbids, and what comes back. Run by `make test-openapi`, which installs it. Arguments go on to schemathesis."""

import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
PROGRAM = str(ROOT / "target/release/asktwice")
KEY = "the-key-of-schemathesis"
SETTINGS = {
    "ASKTWICE__EMBED__MODEL": str(ROOT / ".asktwice/models/all-MiniLM-L6-v2"),
    "ASKTWICE__EMBED__LIBRARY": str(ROOT / ".asktwice/lib/libonnxruntime.so"),
    "ASKTWICE__SERVER__ADMIN": "",
    "ASKTWICE__SERVER__TENANTS__TESTER__KEY": KEY,
    "ASKTWICE__SERVER__TENANTS__TESTER__WRITE": "true",
    "ASKTWICE_LOG": "error",
}


def main():
    schemathesis = pathlib.Path(sys.executable).with_name("schemathesis")
    environment = {**os.environ, **SETTINGS}
    with tempfile.TemporaryDirectory() as folder:
        corpus = str(ROOT / "examples/help-centre/corpus.jsonl")
        subprocess.run([PROGRAM, "index", corpus], cwd=folder, env=environment, check=True, stderr=subprocess.DEVNULL)
        command = [PROGRAM, "serve", "--listen", "127.0.0.1:0"]
        process = subprocess.Popen(command, cwd=folder, env=environment, stdout=subprocess.PIPE, text=True)
        try:
            url = process.stdout.readline().split()[-1]
            test = [schemathesis, "--config-file", ROOT / "scripts/openapi.toml", "run", f"{url}/openapi.json"]
            test += ["--header", f"Authorization: Bearer {KEY}", "--seed", "1", "--max-examples", "30"]
            failed = subprocess.run([*test, *sys.argv[1:]], cwd=folder).returncode
        finally:
            process.terminate()
        # Whatever it was sent, it has not crashed.
        assert process.wait(20) == 0
    sys.exit(failed)


if __name__ == "__main__":
    main()
