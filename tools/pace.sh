#!/bin/sh
# How fast samples come with 1 and 2 threads, and that memory does not grow with their number: the bundle, an interpreter of the default recipe.
# usage: pace.sh PROGRAM OUT-FOLDER [COUNT, default 10000]      (make pace; for a machine that does nothing else)
set -eu
bin=$1 out=$2 count=${3:-10000}
mkdir -p "$out"
"$bin" train --out "$out/interpreter.safetensors" >/dev/null
# run COUNT THREADS: one line, of what the program itself says: "... made now (1.7 s, 11.9/s, 0.5 MB; peak memory 40.1 MB)".
run() {
    rm -rf "$out/data"
    "$bin" dataset --interpreter "$out/interpreter.safetensors" --count "$1" --threads "$2" --out "$out/data" >"$out/log"
    printf '%6d samples, threads %d: %s, %d MB in blocks\n' "$1" "$2" "$(sed -n 's/.* made now (\(.*\))$/\1/p' "$out/log")" "$(du -sm "$out/data" | cut -f1)"
}
echo "$(sed -n 's/^model name[^:]*: //p' /proc/cpuinfo | head -n 1), load before: $(cut -d' ' -f1 /proc/loadavg)"
for threads in 1 2 1 2; do run 200 $threads; done
for n in 100 300 1000 3000; do [ "$n" -ge "$count" ] || run "$n" "$(nproc)"; done
run "$count" "$(nproc)"
