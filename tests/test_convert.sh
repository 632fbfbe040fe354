#!/bin/sh
# The converter (convert/) on good, odd and hostile files.  Needs python3 with NumPy, which nothing else in `make test` does.
# usage: [BUILD=build/release] tests/test_convert.sh
cd "$(dirname "$0")/.." || exit 1
if ! python3 -c 'import sys, numpy; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo " skip: test_convert needs python3 (3.9 or later) with NumPy"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
exec python3 -B tests/convert_checks.py
