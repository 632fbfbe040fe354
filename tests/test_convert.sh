#!/bin/sh
# The converter (convert/) on good, odd and hostile files.  Needs python3 with NumPy, which nothing else in `make test` does.
# usage: [BUILD=build/release] tests/test_convert.sh
. "$(dirname "$0")/python_lib.sh"
exec python3 -B tests/convert_checks.py
