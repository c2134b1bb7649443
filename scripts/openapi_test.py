"""The sidecar's OpenAPI document against the sidecar, by schemathesis: requests that the document allows, requests that it
forbids, and what comes back. Run by `make test-openapi`, which installs it. Arguments go on to schemathesis."""

import pathlib
import subprocess
import sys
import tempfile

import sidecar

KEY = "the-key-of-schemathesis"
SETTINGS = {
    "ASKTWICE__SERVER__TENANTS__TESTER__KEY": KEY,
    "ASKTWICE__SERVER__TENANTS__TESTER__WRITE": "true",
}


def main():
    schemathesis = pathlib.Path(sys.executable).with_name("schemathesis")
    with tempfile.TemporaryDirectory() as folder:
        sidecar.index(folder, sidecar.HELP_CENTRE / "corpus.jsonl", SETTINGS)
        with sidecar.serve(folder, SETTINGS) as url:
            test = [schemathesis, "--config-file", sidecar.ROOT / "scripts/openapi.toml", "run", f"{url}/openapi.json"]
            test += ["--header", f"Authorization: Bearer {KEY}", "--seed", "1", "--max-examples", "30"]
            failed = subprocess.run([*test, *sys.argv[1:]], cwd=folder).returncode
    sys.exit(failed)


if __name__ == "__main__":
    main()
