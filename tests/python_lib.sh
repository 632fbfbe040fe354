# Sourced by tests that are Python programs: goes to the repository's root, and ends a test named after its file as skipped where
# python3 (3.9 or later) with NumPy is missing.
cd "$(dirname "$0")/.." || exit 1
if ! python3 -c 'import sys, numpy; sys.exit(sys.version_info < (3, 9))' 2>/dev/null; then
    echo " skip: $(basename "$0" .sh) needs python3 (3.9 or later) with NumPy"
    echo "0 passed, 0 failed, 1 skipped"
    exit 0
fi
