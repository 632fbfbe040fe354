#!/bin/sh
# A dataset of the bundle, and one of hostile label maps (tests/mask_checks.py, which also judges what is imported), in every form:
# tests/export_checks.py over both.
# usage: exports.sh DATASETGAN OUT-FOLDER [--heavy]      (PYTHON= names the interpreter that has the libraries)
set -e
program=$1 out=$2 python=${PYTHON:-python3}
rm -rf "$out"
mkdir -p "$out/forms" "$out/hostile_forms" "$out/masks"
"$program" train --task weights/blood128/annotations/task.json --out "$out/i" --members 3 --epochs 0.5 --width1 32 --width2 16 >/dev/null
"$program" dataset --interpreter "$out/i" --out "$out/d" --count "${COUNT:-40}" >/dev/null
$python tests/export_checks.py "$program" "$out/d" "$out/forms" $3
if $python -c 'import numpy, PIL' 2>/dev/null; then
    $python tests/mask_checks.py "$program" "$out/d" "$out/masks"
    $python tests/export_checks.py "$program" "$out/masks/hostile" "$out/hostile_forms" $3
fi
