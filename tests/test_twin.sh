#!/bin/sh
# The double twin (tests/f64): each public name that it defines carries 64, and it calls no float function of the library.
# A name missing from tests/f64/names.h would otherwise replace the float function, or be served by it, silently.
objects=$(ls "$BUILD"/obj/tests/f64/*.o) || { echo "0 passed, 1 failed, 0 skipped"; exit 1; }
failed=0

# shellcheck disable=SC2086
plain=$(nm -g --defined-only $objects | awk 'NF == 3 && $3 !~ /^[a-z]+64(_|$)/ && $3 !~ /^__/ { print $3 }')
for name in $plain; do
    echo "FAILED the twin defines '$name': give it a line in tests/f64/names.h"
    failed=$((failed + 1))
done

# Shared on purpose: nothing here takes or returns a real.
shared='nn_(fail|alloc|free|take|format|assert_failed|mul_u64|(rng|numpy|file|dir|path|bytes|source|stage|sys|hash|json|half|confusion)_.*)|dg_train_schedule|t_(check|fail|skip|done|limit|same|status|report|folder)'
# shellcheck disable=SC2086
borrowed=$(nm -g --undefined-only $objects | awk 'NF == 2 && $2 ~ /^(nn|sg|dg|t|golden)(_|$)/ { print $2 }' | sort -u | grep -Evx "$shared")
for name in $borrowed; do
    echo "FAILED the twin calls '$name' of the float library: twin it in tests/f64, or list it as shared in tests/test_twin.sh"
    failed=$((failed + 1))
done

[ "$failed" -eq 0 ] && passed=2 || passed=0
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
