#!/bin/sh
# Interpreters that DatasetGAN's code saved, converted and run, against what that code says (tests/golden/make_official.py).
# Needs python3 with NumPy, as test_convert.sh does.
# usage: [BUILD=build/release] tests/test_official.sh
cd "$(dirname "$0")/.." || exit 1
if ! python3 -c 'import sys, numpy; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo " skip: test_official needs python3 (3.9 or later) with NumPy"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec python3 -B tests/official_checks.py "${BUILD:-build/release}/datasetgan"
