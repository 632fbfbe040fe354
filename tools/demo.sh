#!/bin/sh
# The main job on the bundled model: train on the 16 annotated pictures, score the held-out ones, draw a labelled dataset.
# usage: tools/demo.sh PROGRAM OUT-FOLDER        (make demo)
set -eu
bin=$1 out=$2 samples=200
mkdir -p "$out"
begin=$(date +%s)

echo "1. train a style interpreter on the 16 annotated pictures of weights/blood128"
"$bin" train --out "$out/interpreter.safetensors" --force | tee "$out/train.log"
echo
echo "2. score it on the 8 held-out pictures"
"$bin" eval --interpreter "$out/interpreter.safetensors" --json "$out/scores.json" --force | tee "$out/eval.log"
echo
echo "3. draw and label $samples new pictures"
"$bin" dataset --interpreter "$out/interpreter.safetensors" --out "$out/dataset" --count "$samples" --force | tee "$out/dataset.log"
echo
peak=$(sed -n 's/.*peak memory \([0-9.]*\) MB.*/\1/p' "$out"/*.log | sort -n | tail -n 1)
echo "all three steps: $(($(date +%s) - begin)) s, peak memory $peak MB"
echo "look at $out/dataset/index.html (every sample beside its label) or $out/dataset/preview.png"
