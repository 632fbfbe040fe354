#!/bin/sh
# Interpreters that DatasetGAN's code saved, converted and run, against what that code says (tests/golden/make_official.py).
# Needs python3 with NumPy, as test_convert.sh does.
# usage: [BUILD=build/release] tests/test_official.sh
. "$(dirname "$0")/python_lib.sh"
exec python3 -B tests/official_checks.py "${BUILD:-build/release}/datasetgan"
