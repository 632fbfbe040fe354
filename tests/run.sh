#!/bin/sh
# Run every test program of a build folder and every tests/test_*.sh, add up their last lines, print one total.
# usage: tests/run.sh BUILD-FOLDER
build=$1
# Waiting threads sleep: on a machine that others use too, spinning costs more than it saves.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
passed=0 failed=0 skipped=0
rm -rf build/tmp
mkdir -p build/tmp
for t in "$build"/tests/test_* tests/test_*.sh; do
    case $t in *.o|*.d) continue ;; esac
    [ -f "$t" ] || continue
    name=$(basename "$t")
    log=build/tmp/$name.log
    case $t in
        *.sh) BUILD=$build sh "$t" >"$log" 2>&1; rc=$? ;;
        *) "$t" >"$log" 2>&1; rc=$? ;;
    esac
    last=$(tail -n 1 "$log")
    # shellcheck disable=SC2046
    set -- $(printf '%s\n' "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p')
    if [ $# -ne 3 ]; then
        echo "FAILED $name ended with status $rc and no count:"
        tail -n 20 "$log" | sed 's/^/    /'
        failed=$((failed + 1))
        continue
    fi
    passed=$((passed + $1)) failed=$((failed + $2)) skipped=$((skipped + $3))
    if [ "$rc" -ne 0 ] && [ "$2" -eq 0 ]; then
        echo "FAILED $name counted no failure and ended with status $rc"
        failed=$((failed + 1))
    fi
    [ -n "$VERBOSE" ] && cat "$log"
    grep -E '^(FAILED| skip)' "$log"
    printf '%-24s %s\n' "$name" "$last"
done
[ "$failed" -eq 0 ] && rm -rf build/tmp
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
