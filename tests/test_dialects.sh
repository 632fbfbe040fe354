#!/bin/sh
# The converter's dialects: files that other programs wrote, drawn by datasetgan against the pictures that those programs drew.
# Needs python3 with NumPy, as test_convert.sh does.
# usage: [BUILD=build/release] tests/test_dialects.sh
. "$(dirname "$0")/python_lib.sh"
exec python3 -B tests/dialect_checks.py "${BUILD:-build/release}/datasetgan"
