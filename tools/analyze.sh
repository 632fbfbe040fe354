#!/bin/sh
# Five tools look for mistakes: gcc -fanalyzer, cppcheck, clang-tidy, scan-build, valgrind memcheck.  All must be there; none is needed for
# make test.  A finding is either repaired or explained in a comment that begins with "analyze:" on its line or the one above; what a
# tool says of no line at all, and kinds of findings that are matters of taste here, are explained below.
# usage: tools/analyze.sh BUILD-FOLDER
build=$1
out=$build/analyze
jobs=${JOBS:-$(nproc)}
rm -rf "$out"
mkdir -p "$out"
for tool in gcc cppcheck clang-tidy scan-build valgrind; do
    command -v $tool >/dev/null || { echo "analyze: $tool is missing: apt-get install gcc cppcheck clang-tidy clang-tools valgrind"; exit 1; }
done
flags='-std=c11 -D_POSIX_C_SOURCE=200809L -D_FILE_OFFSET_BITS=64 -ffp-contract=off -fopenmp -Isrc -I.'
failed=0

# judge TOOL LOG: print the findings that nobody explained.  "FILE:LINE:COLUMN: warning: ..." is what all of them write.
judge() {
    grep -E '^[^ :]*(src/[^ :]*:[0-9]+:[0-9]+|cc1): (warning|error): ' "$2" | sed "s|^$PWD/||" | sort -u >"$2.found"
    open=0 explained=0
    while IFS= read -r finding; do
        file=$(echo "$finding" | cut -d: -f1) line=$(echo "$finding" | cut -d: -f2)
        if [ "$file" = cc1 ] && [ "$1" = "gcc -fanalyzer" ]; then
            # Of the function that gcc makes out of an OpenMP loop with `simd`: a value it made itself, of no line of ours.
            explained=$((explained + 1))
        elif [ -f "$file" ] && sed -n "$((line > 1 ? line - 1 : 1)),${line}p" "$file" | grep -q 'analyze:'; then
            explained=$((explained + 1))
        else
            open=$((open + 1))
            echo "$finding"
        fi
    done <"$2.found"
    echo "$1: $open findings, $explained explained"
    failed=$((failed + open))
}

# shellcheck disable=SC2086,SC2016
ls src/*/*.c | xargs -P "$jobs" -I{} sh -c 'gcc '"$flags"' -O1 -fanalyzer -c "$1" -o /dev/null' _ {} >"$out/gcc" 2>&1
judge "gcc -fanalyzer" "$out/gcc"

# It takes arrays of vectors for arrays of nothing.
cppcheck --std=c11 -q -j "$jobs" --enable=warning,performance,portability --suppress=missingIncludeSystem "--suppress=ctuArrayIndex:src/nn/fast_winograd*.h" \
    --template='{file}:{line}:{column}: warning: {message} [{id}]' \
    -Isrc -I. -D_POSIX_C_SOURCE=200809L -D__GNUC__=12 -D__x86_64__ src >"$out/cppcheck" 2>&1
judge cppcheck "$out/cppcheck"

# Left out: easily-swappable-parameters, narrowing-conversions, implicit-widening (the compiler's -Wconversion looks after these),
# assignment-in-if, macro-parentheses (designated initialisers), reserved-identifier (_GNU_SOURCE), suspicious-string-compare (strcmp as a
# truth value), sizeof-expression (arrays of pointers are meant), not-null-terminated-result (lengths are kept beside the bytes),
# misplaced-widening-cast (the narrower product fits, and on LP64 both are the same).
checks='-*,bugprone-*'
for c in easily-swappable-parameters narrowing-conversions implicit-widening-of-multiplication-result assignment-in-if-condition \
         macro-parentheses reserved-identifier suspicious-string-compare sizeof-expression not-null-terminated-result misplaced-widening-cast; do
    checks="$checks,-bugprone-$c"
done
# shellcheck disable=SC2016
ls src/*/*.c | xargs -P "$jobs" -n 6 sh -c 'clang-tidy --quiet -checks="'"$checks"'" "$@" -- '"$flags" _ >"$out/tidy" 2>&1
judge clang-tidy "$out/tidy"

if ! scan-build -o "$out/report" --use-cc=clang "${MAKE:-make}" -s -j "$jobs" BUILD="$out/objects" "$out/objects/datasetgan" >"$out/scan" 2>&1; then
    echo "scan-build: the build failed: $(tail -n 1 "$out/scan")"
    failed=$((failed + 1))
fi
judge scan-build "$out/scan"

# A small part of the tests; leaks too.  The program with the AVX2 row, which valgrind knows, and threads that need not spin.
export OMP_WAIT_POLICY=passive OMP_NUM_THREADS=2 EMULATED=1
memcheck="valgrind -q --error-exitcode=9 --leak-check=full --show-leak-kinds=definite --errors-for-leak-kinds=definite"
for run in "$build/tests/test_json" "$build/tests/test_safetensors" "$build/tests/test_rng" "$build/tests/test_api" \
           "$build/datasetgan generate --generator tests/golden/stylegan2_rgb.safetensors --kernels avx2 --seeds 1 --force --out $out/pictures"; do
    if $memcheck $run >"$out/valgrind" 2>&1; then echo "valgrind: nothing in $run"; else
        cat "$out/valgrind"
        failed=$((failed + 1))
    fi
done
[ "$failed" -eq 0 ] && echo "analyze: clean" || echo "analyze: $failed findings"
[ "$failed" -eq 0 ]
