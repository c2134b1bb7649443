#!/bin/sh
# Builds a benchmark and prints where the program is: only cargo knows its name.
set -eu
built=$(cargo bench --locked --features virtual-time --bench "$1" --no-run --quiet --message-format=json)
printf '%s\n' "$built" | sed -n "s/.*\"name\":\"$1\".*\"executable\":\"\([^\"]*\)\".*/\1/p" | tail -n 1
