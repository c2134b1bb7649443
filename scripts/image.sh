#!/bin/sh
# Gathers the files of the image (program, ONNX Runtime, int8 model and the system's libraries that they need) in
# target/image, runs the program with that folder as its root, and says how large it is. Needs root, for chroot.
set -eu
cd "$(dirname "$0")/.."
image=target/image
program=target/release/asktwice
library=.asktwice/lib/libonnxruntime.so
model=.asktwice/models/all-MiniLM-L6-v2
for file in "$program" "$library" "$model/asktwice.json"; do
    [ -e "$file" ] || { echo "image: $file is missing; run make setup" >&2; exit 1; }
done
rm -rf "$image"
mkdir -p "$image/lib" "$image/model" "$image/data" "$image/tmp" "$image/etc/ssl/certs"
cp "$program" "$image/asktwice"
cp "$library" "$image/lib/libonnxruntime.so"
# What the two of them are linked with, where the loader looks for it.
ldd "$program" "$library" | awk '$3 ~ /^\// {print $3} $1 ~ /^\// && $2 ~ /^\(/ {print $1}' | sort -u |
    while read -r needed; do
        mkdir -p "$image$(dirname "$needed")"
        cp -L "$needed" "$image$needed"
    done
# The int8 model alone; fp32 would be four times as large.
(cd "$model" && find . -type f ! -name model.onnx) | while read -r file; do
    mkdir -p "$image/model/$(dirname "$file")"
    cp "$model/$file" "$image/model/$file"
done
# For language models behind https.
cp -L /etc/ssl/certs/ca-certificates.crt "$image/etc/ssl/certs/" 2>/dev/null || true
chmod 1777 "$image/tmp" "$image/data"

run() { HOME=/tmp chroot "$image" /asktwice --store edge:/data --set embed.model=/model --set embed.library=/lib/libonnxruntime.so "$@"; }
run doctor
rm -rf "$image/data"/* "$image/tmp"/* "$image/tmp"/.[!.]*
du -sm "$image" | awk '{print "image: " $1 " MB in target/image"}'
