#!/bin/sh
# Run every test program of a build folder and every tests/test_*.sh (or only those named), as many at once as there are cores
# (JOBS=1: one), add up their last lines, print one total.  A program that hangs is ended after TEST_SECONDS and named.
# usage: tests/run.sh BUILD-FOLDER [TEST...]
build=$1
shift
tests=${*:-tests/test_*.sh $build/tests/test_*}                 # the shell tests take longest: first
# Waiting threads sleep: on a machine that others use too, spinning costs more than it saves.
export OMP_WAIT_POLICY="${OMP_WAIT_POLICY:-passive}"
passed=0 failed=0 skipped=0
# Threads that wait must not take the cores from other tests (src/cli/main.c calm_waiting_threads).
export BUILD="$build" GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}" KMP_BLOCKTIME="${KMP_BLOCKTIME:-0}"
# clang 14's leak check crashes itself when OpenMP's threads end beside it ("Tracer caught signal 11": once in 40 runs of test_train);
# the same leaks are looked for in gcc's build.
case $build in *sanitize-clang) export ASAN_OPTIONS="detect_leaks=0${ASAN_OPTIONS:+:$ASAN_OPTIONS}" ;; esac
. tests/dead.sh
forget_dead
rm -rf build/tmp
mkdir -p build/tmp
list() {
    for t in $tests; do
        case $t in *.o | *.d) continue ;; esac
        [ -f "$t" ] && echo "$t"
    done
}
# shellcheck disable=SC2016
list | xargs -P "${JOBS:-$(nproc)}" -n 1 sh -c '
    log=build/tmp/$(basename "$0").log begin=$(date +%s)
    case $0 in *.sh) set -- sh "$0" ;; *) set -- "$0" ;; esac
    timeout -k 10 "${TEST_SECONDS:-900}" "$@" >"$log" 2>&1
    echo $? >"$log.status"
    echo $(($(date +%s) - begin)) >"$log.seconds"'
for t in $(list); do
    name=$(basename "$t")
    log=build/tmp/$name.log
    rc=$(cat "$log.status")
    last=$(tail -n 1 "$log")
    # shellcheck disable=SC2046
    set -- $(printf '%s\n' "$last" | sed -n 's/^\([0-9]*\) passed, \([0-9]*\) failed, \([0-9]*\) skipped$/\1 \2 \3/p')
    if [ $# -ne 3 ]; then
        echo "FAILED $name ended with status $rc and no count:"
        # A sanitizer's report begins long before the end of the log.
        { grep -A 25 -m 1 -E 'ERROR:|runtime error:' "$log" || tail -n 25 "$log"; } | sed 's/^/    | /'
        tail -n 5 "$log" | sed 's/^/    | /'
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
    printf '%-24s %s (%s s)\n' "$name" "$last" "$(cat "$log.seconds")"
done
[ "$failed" -eq 0 ] && rm -rf build/tmp
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
