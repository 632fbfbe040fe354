#!/bin/sh
# Test the program that a cross compiler built for AArch64, under qemu-user: the C tests named, then pictures of the bundle against
# this machine's, which may be 1 level apart.  EMULATED tells the tests that they run 20 times as slow: single cases are left to native runs.
# usage: tools/arm64.sh ARM-BUILD BUILD TEST...       TEST: test_kernels ...  (make arm64 ARM_TESTS="test_train ..." runs others)
set -e
arm=$1 here=$2 run=build/arm64
shift 2
# A folder like a build's, whose programs are scripts: so one starts another where the kernel knows nothing of qemu (binfmt_misc).
rm -rf "$run"
mkdir -p "$run/tests"
# shellcheck disable=SC2046
for program in datasetgan $(printf 'tests/%s ' "$@"); do
    # shellcheck disable=SC2016
    printf '#!/bin/sh\nexec qemu-aarch64 -0 "$0" %s "$@"\n' "$arm/$program" >"$run/$program"
    chmod +x "$run/$program"
done
# shellcheck disable=SC2046
EMULATED=1 tests/run.sh "$run" $(printf "$run/tests/%s " "$@")

for build in "$here" "$run"; do "$build/datasetgan" generate --seeds 1-4 --psi 0.7 --out "$run/of-$(basename "$build")" --force; done
for seed in 1 2 3 4; do
    printf 'seed %s, AArch64 against this machine: ' $seed
    "$here/levels" "$run/of-$(basename "$here")/seed000$seed.png" "$run/of-arm64/seed000$seed.png"
done
