#!/bin/sh
# The converter's dialects: files that other programs wrote, drawn by datasetgan against the pictures that those programs drew.
# Needs python3 with NumPy, as test_convert.sh does.
# usage: [BUILD=build/release] tests/test_dialects.sh
cd "$(dirname "$0")/.." || exit 1
if ! python3 -c 'import sys, numpy; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo " skip: test_dialects needs python3 (3.9 or later) with NumPy"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec python3 -B tests/dialect_checks.py "${BUILD:-build/release}/datasetgan"
