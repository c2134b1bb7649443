#!/bin/sh
# Runs the rewriter's opt-in tests against LiteLLM's proxy, a server that this project did not write, with mocked
# replies. Installs it from PyPI into .asktwice/litellm (700 MB) the first time. `make test-litellm` calls it.
set -eu
cd "$(dirname "$0")/.."
version=1.99.4
home=.asktwice/litellm
log=$home/proxy.log

command -v python3 >/dev/null 2>&1 || { echo "test-litellm: python3 is missing" >&2; exit 1; }
if [ "$(cat "$home/version" 2>/dev/null)" != "$version" ]; then
    echo "test-litellm: installing LiteLLM $version"
    rm -rf "$home"
    python3 -m venv "$home" || { echo "test-litellm: apt-get install python3-venv" >&2; exit 1; }
    "$home/bin/pip" install --quiet --disable-pip-version-check "litellm[proxy]==$version"
    echo "$version" >"$home/version"
fi

port=$(python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])')
# It needs no network: the table of prices that it would fetch comes with it, and it sends no usage figures.
LITELLM_LOCAL_MODEL_COST_MAP=True "$home/bin/litellm" --config scripts/litellm.yaml --host 127.0.0.1 --port "$port" \
    --telemetry False >"$log" 2>&1 &
proxy=$!
trap 'kill "$proxy" 2>/dev/null || true' EXIT
trap 'exit 130' INT TERM HUP

url=http://127.0.0.1:$port
for _ in $(seq 120); do
    if python3 -c "import urllib.request as r; r.urlopen('$url/health/liveliness', timeout=2)" 2>/dev/null; then
        ASKTWICE_TEST_LITELLM=$url/v1 "$@"
        exit
    fi
    kill -0 "$proxy" 2>/dev/null || { echo "test-litellm: the proxy ended:" >&2; tail -n 20 "$log" >&2; exit 1; }
    sleep 1
done
echo "test-litellm: the proxy did not start within two minutes:" >&2
tail -n 20 "$log" >&2
exit 1
