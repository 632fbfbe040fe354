#!/bin/sh
# A dataset of the bundle in every form, and tests/export_checks.py over it.
# usage: exports.sh DATASETGAN OUT-FOLDER [--heavy]      (PYTHON= names the interpreter that has the libraries)
set -e
program=$1 out=$2
rm -rf "$out"
mkdir -p "$out/forms"
"$program" train --task weights/blood128/annotations/task.json --out "$out/i" --members 3 --epochs 0.5 --width1 32 --width2 16 >/dev/null
"$program" dataset --interpreter "$out/i" --out "$out/d" --count "${COUNT:-40}" >/dev/null
"${PYTHON:-python3}" tests/export_checks.py "$program" "$out/d" "$out/forms" $3
