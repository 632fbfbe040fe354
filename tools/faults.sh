#!/bin/sh
# What holds on a bad day, whole, with its figures in one table at the end (docs/RUNS.md): power cuts after every call, 100 kills, every
# call and allocation of every command fails once.  The walk is shared out over JOBS processes, the kills run beside it.  What is done is kept in BUILD/faults until
# the program or the tests change: a stopped `make faults` goes on.
# usage: tools/faults.sh BUILD-FOLDER
build=$1
notes=$build/faults
jobs=${JOBS:-$(nproc)}
failed=0
mkdir -p "$notes"
for note in "$notes"/*; do
    for source in "$build/datasetgan-faulty" "$build/tests/test_replay" tests/cli_lib.sh tests/test_cli_faults.sh tests/test_cli_kills.sh; do
        [ "$note" -nt "$source" ] || rm -rf "$note"
    done
done
rm -rf "$notes"/*.taken

# once NOTE COMMAND...: its output, and that it was right, are noted.
once() {
    note=$notes/$1
    shift
    [ -e "$note" ] && return
    if "$@" >"$note.log" 2>&1; then mv "$note.log" "$note"; else cat "$note.log"; failed=1; false; fi
}
export BUILD="$build"
once replay.txt env DATASETGAN_ALL_FAULTS=1 "$build/tests/test_replay" && echo "  ok   power cuts"
(once kills.txt env KILLS=100 sh tests/test_cli_kills.sh && echo "  ok   kills"; exit $failed) &
parts=$!
for part in $(seq 1 "$jobs"); do
    FAULTS=$notes sh tests/test_cli_faults.sh &
    parts="$parts $!"
done
for part in $parts; do wait "$part" || failed=1; done

echo
for note in "$notes"/replay.txt "$notes"/kills.txt; do
    [ -e "$note" ] && grep -v -e ' killed after ' -e ' skipped$' "$note"
done
[ -e "$notes/kills.txt" ] && sed -n 's/^  ok   \(.*\) killed after .*: \([0-9]*\) samples listed,.*/\1:\2/p' "$notes/kills.txt" | awk -F: '
    $1 != last { printf "%s  samples listed at each kill of %s:", last ? "\n" : "", $1 } { printf " %d", $2; last = $1 } END { print "" }'
echo
printf '%-24s %7s %9s %7s %7s %7s\n' command calls allocs runs failed killed
cat $(ls "$notes"/* | grep -v -e '\.txt' -e '\.taken' -e '\.log')
cat $(ls "$notes"/* | grep -v -e '\.txt' -e '\.taken' -e '\.log') | awk '{ n = NF; for (i = 0; i < 5; i++) t[i] += $(n - i) }
    END { printf "%-24s %7d %9d %7d %7d %7d\n", NR " commands", t[4], t[3], t[2], t[1], t[0] }'
[ "$failed" -eq 0 ] && echo "faults: nothing lost" || echo "faults: something failed (above)"
[ "$failed" -eq 0 ]
