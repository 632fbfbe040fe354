#!/bin/sh
# Every system call and allocation fails once, in every command: datasetgan-faulty's n-th open, read, write, fsync, close, rename,
# unlink, mkdir, rmdir, truncate, allocation of ours, libpng's or jansson's fails, or the process dies there.  Each run ends with 0,
# or with 1 and one line; nothing half-written stays, no memory and no file; and the same command then ends with the bytes of an
# undisturbed run.  A test run walks a sample of the calls; DATASETGAN_ALL_FAULTS=1 (`make faults`) all of them, but of jansson's
# allocations the first 300 of a command and then every seventh (DATASETGAN_EVERY=1: all; they repeat for each line and field).
. tests/cli_lib.sh
in_memory
small_task "$D/set"
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/i"
cp -r "$D/set" "$D/undisturbed-set"
cp -r "$D/tiny" "$D/undisturbed-tiny"
export DATASETGAN_LEAKS=1
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}"           # the program need not start itself again (src/cli/main.c)

runs=0 failures=0 deaths=0
# walk NAME KIND ERROR N... : the command is "$command", its output "$D/run" (a folder of everything it writes).
walk() {
    name=$1 kind=$2 error=$3
    shift 3
    for n; do
        rm -rf "$D/run"
        mkdir "$D/run"
        DATASETGAN_FAULT=$kind:$n:$error $FAULTY $command >"$D/out" 2>"$D/err"
        got=$?
        what="$name, $kind $n $error"
        runs=$((runs + 1))
        case $got in
            0) ;;
            137) deaths=$((deaths + 1)) ;;
            1)
                failures=$((failures + 1))
                [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "$what: $(wc -l <"$D/err") lines: $(head -n 2 "$D/err" | tr '\n' '|')"
                [ "$kind" = unlink ] || [ "$kind" = rmdir ] || [ -z "$(find "$D/run" -name '*.tmp')" ] && ok || no "$what: left $(find "$D/run" -name '*.tmp' | head -n 1)"
                [ "$error" = EINTR ] && no "$what: an interrupted call was not repeated"
                [ "$error" = SHORT ] && no "$what: half a call was not completed"
                ;;
            3) [ "$name" = verify ] && [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "$what: status 3" ;;      # the file that failed is a problem
            *) no "$what: status $got: $(head -n 1 "$D/err")" ;;
        esac
        # What an allocation leaves behind is what other failures at that place do: every eighth is tried to the end.
        case $kind in alloc | json) [ $((n % 8)) -eq 0 ] || continue ;; esac
        if [ $got -ne 0 ]; then
            $BIN $command >"$D/out" 2>"$D/err" || no "$what: the same command does not go on: $(head -n 1 "$D/err")"
        elif [ "$kind" = unlink ]; then
            continue                                     # done, with something left over that could not be removed
        fi
        same "$D/run" "$D/want" "$what, then again"
    done
}
calls() { sed -n "s/^$1 //p" "$D/counts"; }
# walk_all NAME COMMAND...
walk_all() {
    name=$1
    shift
    command=$*
    rm -rf "$D/run" "$D/want"
    mkdir "$D/run"
    try 0 $BIN $command
    mv "$D/run" "$D/want"
    if [ -n "$DATASETGAN_ALL_FAULTS" ]; then
        mkdir "$D/run"
        DATASETGAN_COUNTS=1 $FAULTY $command >"$D/out" 2>"$D/counts" || no "$name: $(head -n 1 "$D/counts")"
        for pair in write:ENOSPC write:EIO write:EINTR write:SHORT write:KILL fsync:EIO fsync:EINTR fsync:KILL rename:EIO rename:KILL close:EIO open:EMFILE \
            read:EIO read:EINTR read:SHORT read:END mkdir:ENOSPC rmdir:EIO unlink:EIO unlink:KILL truncate:EIO lock:EIO free:EIO alloc:ENOMEM json:ENOMEM; do
            last=$(calls "${pair%:*}")
            first=$last
            [ "$pair" = json:ENOMEM ] && [ "$last" -gt 300 ] && first=300
            walk "$name" "${pair%:*}" "${pair#*:}" $(seq 1 "$first") $(seq $((first + 1)) "${DATASETGAN_EVERY:-7}" "$last")
        done
        echo "  ok   $name: $(tr '\n' ',' <"$D/counts") $runs runs so far, $failures failed calls, $deaths deaths"
        return
    fi
    walk "$name" write EIO 1 3
    walk "$name" write ENOSPC 2
    walk "$name" write SHORT 1
    walk "$name" write EINTR 2
    walk "$name" fsync EIO 2
    walk "$name" rename EIO 1 3
    walk "$name" close EIO 2
    walk "$name" open EMFILE 3
    walk "$name" read EIO 2
    walk "$name" read END 3
    walk "$name" mkdir ENOSPC 1
    walk "$name" truncate EIO 1
    walk "$name" unlink EIO 1
    walk "$name" alloc ENOMEM 1 3 8 21 144
    walk "$name" json ENOMEM 1 8 40 56
    walk "$name" write KILL 2
    walk "$name" fsync KILL 1
    walk "$name" rename KILL 1 3
    walk "$name" unlink KILL 1
}

walk_all generate generate --generator "$TINY" --seeds 1-2 --out "$D/run/p" --grid 2x1 --taps "$D/run/taps" --save-w "$D/run/w.npy" --threads 1
walk_all train train --task "$D/tiny/task.json" --out "$D/run/i" --members 2 --epochs 1 --width1 8 --width2 8 --threads 1
walk_all dataset dataset --generator "$TINY" --interpreter "$D/i" --out "$D/run/d" --count 3 --threads 1
cp -r "$D/want/d" "$D/d"
try 0 $BIN dataset --generator "$TINY" --interpreter "$D/i" --out "$D/s1" --count 3 --threads 1 --shard 1/2
try 0 $BIN dataset --generator "$TINY" --interpreter "$D/i" --out "$D/s2" --count 3 --threads 1 --shard 2/2
walk_all merge merge --out "$D/run/m" "$D/s1" "$D/s2"
walk_all stats stats "$D/d" --json "$D/run/s.json" --html "$D/run/s.html"
walk_all verify verify "$D/d" --pixels
walk_all filter filter --dataset "$D/d" --drop 0.4 --out "$D/run/v"
walk_all "export voc" export --dataset "$D/d" --format voc --out "$D/run/e"
walk_all "export coco" export --dataset "$D/d" --format coco --out "$D/run/e"
walk_all "export yolo-seg" export --dataset "$D/d" --format yolo-seg --out "$D/run/e"
walk_all "export webdataset" export --dataset "$D/d" --format webdataset --out "$D/run/e"
mkdir "$D/lm"
cp tests/golden/labelme/*.json "$D/lm"
walk_all import import --from labelme --in "$D/lm" --task "$D/set/task.json" --out "$D/run/s"
walk_all "import coco" import --from coco --in "$PWD/tests/golden/coco/instances.json" --task "$D/set/task.json" --out "$D/run/s"
walk_all label label --generator "$TINY" --interpreter "$D/i" --seeds 3,5 --out "$D/run/l" --threads 1
walk_all eval eval --task "$D/tiny/task.json" --interpreter "$D/i" --json "$D/run/scores.json" --threads 1
same "$D/set" "$D/undisturbed-set" "the annotation set is only read"
same "$D/tiny" "$D/undisturbed-tiny" "the annotation set is only read"
[ $failures -ge 45 ] && ok || no "only $failures failures were met"
[ $deaths -ge 10 ] && ok || no "only $deaths deaths were met"
echo "  ok   $runs runs: $failures failed calls, $deaths deaths"
done_testing
