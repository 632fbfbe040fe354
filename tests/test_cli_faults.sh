#!/bin/sh
# Every system call and allocation fails once, in every command: datasetgan-faulty's n-th open, read, write, fsync, close, rename,
# unlink, mkdir, rmdir, folder read, truncate, lock, allocation of ours, libpng's, libjpeg's or jansson's fails (libcrypto makes none), or the process dies there.
# Each run ends with 0, or with 1 and one line; nothing half-written stays, no memory and no file; and the same command then ends with the
# bytes of an undisturbed run.  A test run walks a sample of the calls, and tries what the system itself refuses.  FAULTS=FOLDER (`make faults`): every call; of unlinks and
# allocations, which repeat by the thousand, the first, second and last from each place (sys_faulty.c), or all with EVERY=1.  What a
# command's walk found is noted in FOLDER; commands noted there, or in the hands of another process, are left out.
. tests/cli_lib.sh
in_memory
small_task "$D/set"
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/i"
cp -r "$D/set" "$D/undisturbed-set"
cp -r "$D/tiny" "$D/undisturbed-tiny"
export DATASETGAN_LEAKS=1
export GOMP_SPINCOUNT="${GOMP_SPINCOUNT:-1000}"           # the program need not start itself again (src/cli/main.c)

runs=0 failures=0 deaths=0 short= start= keeps=
# What each run of a command begins with: an empty folder, or a copy of $start.
begin() {
    rm -rf "$D/run"
    if [ -n "$start" ]; then cp -r "$start" "$D/run"; else mkdir "$D/run"; fi
}
is_old_or_new() { diff -r "$1" "$start/$keeps" >"$D/diff" 2>&1 || diff -r "$1" "$D/want/$keeps" >"$D/diff" 2>&1; }
# walk NAME KIND ERROR N... : the command is "$command", its output "$D/run" (a folder of everything it writes).
walk() {
    name=$1 kind=$2 error=$3
    shift 3
    for n; do
        begin
        DATASETGAN_FAULT=$kind:$n:$error $FAULTY $command >"$D/out" 2>"$D/err"
        got=$?
        what="$name, $kind $n $error"
        runs=$((runs + 1))
        case $got in
            0) ;;
            137) deaths=$((deaths + 1)); forget_dead ;;
            1)
                failures=$((failures + 1))
                [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "$what: $(wc -l <"$D/err") lines: $(head -n 2 "$D/err" | tr '\n' '|')"
                # A folder that was replaced may wait for the next command when it is not sure that the new one is on the disk.
                [ "$kind" = unlink ] || [ "$kind" = rmdir ] || [ -z "$(find "$D/run" -name '*.tmp')" ] \
                    || { [ -n "$keeps" ] && diff -r "$D/run/$keeps" "$D/want/$keeps" >"$D/diff"; } \
                    && ok || no "$what: left $(find "$D/run" -name '*.tmp' | head -n 1)"
                [ "$error" != ENOMEM ] || grep -q 'memory' "$D/err" && ok || no "$what: a line that does not name memory: $(head -n 1 "$D/err")"
                [ "$error" = EINTR ] && no "$what: an interrupted call was not repeated"
                [ "$error" = SHORT ] && no "$what: half a call was not completed"
                ;;
            3) [ "$name" = verify ] && [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "$what: status 3" ;;      # the file that failed is a problem
            *) no "$what: status $got: $(head -n 1 "$D/err")" ;;
        esac
        # What is replaced is whole until the new one is; without exchange it may wait under another name, once it was killed.
        [ -z "$keeps" ] || is_old_or_new "$D/run/$keeps" || { [ $got -eq 137 ] && [ ! -e "$D/run/$keeps" ] && is_old_or_new "$D/run/$keeps.old.tmp"; } \
            && ok || no "$what: neither the old nor the new $keeps: $(head -n 1 "$D/diff")"
        # What an allocation of these leaves behind is what other failures at that place do: every eighth is tried to the end.
        case $got/$kind in 1/jpeg | 1/json) [ $((n % 8)) -eq 0 ] || continue ;; esac
        if [ $got -ne 0 ]; then
            $BIN $command >"$D/out" 2>"$D/err" || no "$what: the same command does not go on: $(head -n 1 "$D/err")"
        elif [ "$kind" = unlink ]; then
            continue                                     # done, with something left over that could not be removed
        fi
        if diff -r "$D/run" "$D/want" >"$D/diff"; then ok; else no "$what, then again: $(head -n 1 "$D/diff")"; fi
    done
}
# numbers KIND: those of its calls that a whole walk tries.
numbers() {
    case $1${EVERY:+-every} in
        unlink | alloc | jpeg | json) sed -n "s/^$1 //p" "$D/places" ;;
        *) seq 1 "$(sed -n "s/^${1%-every} //p" "$D/counts")" ;;
    esac
}
# walk_every NAME: all of "$command", noted in $FAULTS.
walk_every() {
    note=$FAULTS/$(echo "$1" | tr ' ' '-')
    [ -e "$note" ] && return
    mkdir "$note.taken" 2>/dev/null || return
    runs=0 failures=0 deaths=0 before=$failed
    begin
    DATASETGAN_COUNTS=1 $FAULTY $command >"$D/out" 2>"$D/counts" || no "$1: $(head -n 1 "$D/counts")"
    grep -qx 'crypto 0' "$D/counts" && ok || no "$1: libcrypto allocates, and nobody looks at what happens when it cannot"
    begin
    DATASETGAN_PLACES=1 $FAULTY $command >"$D/out" 2>"$D/places" || no "$1: $(head -n 1 "$D/places")"
    for pair in write:ENOSPC write:EIO write:EINTR write:SHORT write:KILL fsync:EIO fsync:EINTR fsync:KILL rename:EIO rename:KILL exchange:EIO exchange:KILL close:EIO open:EMFILE \
        read:EIO read:EINTR read:SHORT read:END opendir:EMFILE readdir:EIO mkdir:ENOSPC rmdir:EIO rmdir:KILL unlink:EIO unlink:KILL truncate:EIO lock:EIO free:EIO \
        alloc:ENOMEM jpeg:ENOMEM json:ENOMEM; do
        walk "$1" "${pair%:*}" "${pair#*:}" $(numbers "${pair%:*}")
    done
    # Calls of the system, allocations of all kinds, what was walked, and what of it failed or died.
    set -- "$1" $(awk '{ n[/^(alloc|json|jpeg) / ? 1 : 0] += $2 } END { print n[0], n[1] }' "$D/counts") $runs $failures $deaths
    [ "$failed" -eq "$before" ] && printf '%-24s %7d %9d %7d %7d %7d\n' "$@" >"$note"
    echo "  $([ -e "$note" ] && echo ok || echo no)   $1: $runs runs, $failures failed calls, $deaths deaths"
}
# limits NAME: the system's own refusals, of the program as it is: standard output is full or read no more, files may have 1024 bytes (clang's OpenMP makes
# a note of that size), SIGTERM, wherever it hits.
limits() {
    for how in ">/dev/full" "4<>$D/pipe >$D/pipe 4>&-"; do      # the second: a pipe that nobody reads any more, as of | head
        begin
        try 1 sh -c "exec $how; exec $BIN $command"; says "standard output: cannot write"
        if diff -r "$D/run" "$D/want" >"$D/diff"; then ok; else no "$1, standard output $how: $(head -n 1 "$D/diff")"; fi
    done
    for how in "ulimit -f 2; exec" "exec env ASAN_OPTIONS=${ASAN_OPTIONS:+$ASAN_OPTIONS:}detect_leaks=0 timeout --foreground --preserve-status -s TERM 0.015"; do
        begin
        sh -c "$how $BIN $command" >"$D/out" 2>"$D/err"
        got=$?
        forget_dead
        case $got in
            0 | 143) ;;                                  # done, or the signal came before or without a way to stop in good order
            1) [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "$1, $how: $(wc -l <"$D/err") lines: $(head -n 2 "$D/err" | tr '\n' '|')"; says "File too large" ;;
            130) says "interrupted" ;;
            *) no "$1, $how: status $got: $(head -n 1 "$D/err")" ;;
        esac
        case $got in 0 | 1) no_temporaries "$D/run" ;; esac      # a stopped run may keep a folder to go on with: OUT.tmp
        try 0 $BIN $command
        if diff -r "$D/run" "$D/want" >"$D/diff"; then ok; else no "$1, $how, then again: $(head -n 1 "$D/diff")"; fi
    done
}
# walk_all NAME COMMAND...
walk_all() {
    name=$1
    shift
    command=$*
    rm -rf "$D/want"
    begin
    try 0 $BIN $command
    mv "$D/run" "$D/want"
    [ -n "$FAULTS" ] && { walk_every "$name"; return; }
    limits "$name"
    if [ -n "$short" ]; then
        walk "$name" write EIO 2
        walk "$name" rename EIO 1
        walk "$name" open EMFILE 3
        walk "$name" readdir EIO 2
        walk "$name" alloc ENOMEM 8 40
        walk "$name" jpeg ENOMEM 1 4
        walk "$name" json ENOMEM 8
        walk "$name" rename KILL 1
        walk "$name" unlink KILL 1
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
    walk "$name" opendir EMFILE 1
    walk "$name" readdir EIO 1 4
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

# again: the command that walk_all had last, on what it has left: nothing is done anew.
again() {
    [ -n "$FAULTS" ] || return
    rm -rf "$D/start"
    cp -r "$D/want" "$D/start"
    start=$D/start
    walk_every "$name again"
    start=
}

mkfifo "$D/pipe"
walk_all generate generate --generator "$TINY" --seeds 1-2 --out "$D/run/p" --grid 2x1 --taps "$D/run/taps" --save-w "$D/run/w.npy" --threads 1
again
walk_all train train --task "$D/tiny/task.json" --out "$D/run/i" --members 2 --epochs 1 --width1 8 --width2 8 --threads 1
again
walk_all dataset dataset --generator "$TINY" --interpreter "$D/i" --out "$D/run/d" --count 3 --threads 1
again
cp -r "$D/want/d" "$D/d"
try 0 $BIN dataset --generator "$TINY" --interpreter "$D/i" --out "$D/s1" --count 3 --threads 1 --shard 1/2
try 0 $BIN dataset --generator "$TINY" --interpreter "$D/i" --out "$D/s2" --count 3 --threads 1 --shard 2/2
walk_all merge merge --out "$D/run/m" "$D/s1" "$D/s2"
walk_all stats stats "$D/d" --json "$D/run/s.json" --html "$D/run/s.html"
again
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
again
walk_all sweep sweep --task "$D/tiny/task.json" --out "$D/run/s.json" --folds 2 --threads 1 members=1 epochs=1 width2=8 width1=8,16
again
# Much of these is as in those above: a test run tries less of it.
short=1
walk_all "export hf" export --dataset "$D/d" --format hf --out "$D/run/e"
walk_all "export labelme" export --dataset "$D/d" --format labelme --out "$D/run/e"
walk_all "export official" export --task "$D/tiny/task.json" --format official --out "$D/run/e"
walk_all "export npz" export --dataset "$D/d" --format npz --out "$D/run/e"
mkdir "$D/voc" "$D/voc/SegmentationClass"
cp "$D/set/labels/"*.png "$D/voc/SegmentationClass"
walk_all "import cvat" import --from cvat --in "$PWD/tests/golden/cvat.zip" --task "$D/set/task.json" --out "$D/run/s"
walk_all "import voc" import --from voc --in "$D/voc" --task "$D/set/task.json" --out "$D/run/s"
printf 'left\nright #ff0000\n' >"$D/names"
walk_all prepare prepare --generator "$TINY" --classes "$D/names" --choose 2 --from 4 --interpreter "$D/i" --out "$D/run/p" --threads 1
# A network of photographs, of which one is a JPEG.
mkdir "$D/photos" "$D/photos/images" "$D/photos/labels"
cp "$D/tiny/images/seed0001.png" "$D/photos/images/a.png"
a_jpeg >"$D/photos/images/b.jpg"
for photo in a b; do one_colour 32half >"$D/photos/labels/$photo.png"; done
small="--task $D/tiny/task.json --width 16 --size 32 --batch 2 --threads 1"
walk_all "segment train" segment train --images "$D/photos/images" --labels "$D/photos/labels" $small --steps 2 --val "$D/photos" --out "$D/run/n"
again
walk_all "segment online" segment train --interpreter "$D/i" --generator "$TINY" $small --steps 1 --out "$D/run/n"
cp "$D/want/n" "$D/n"
walk_all "segment predict" segment predict --net "$D/n" --in "$D/photos/images" --out "$D/run/o" --overlay --probs --csv "$D/run/o.csv" --no-flips --threads 1
again
walk_all "segment in bands" segment predict --net "$D/n" --in "$D/photos/images" --out "$D/run/o" --overlay --probs --csv "$D/run/o.csv" --no-flips --scale 0.5 --tile 64 --threads 1
again
walk_all "segment eval" segment eval --net "$D/n" --images "$D/photos/images" --labels "$D/photos/labels" --task "$D/tiny/task.json" --json "$D/run/s.json" --no-flips --threads 1
again
# A folder in the place of another, by one exchange of names and by two renames.
try 0 $BIN filter --dataset "$D/d" --drop 0.4 --out "$D/view"
mkdir "$D/begin"
try 0 $BIN export --dataset "$D/view" --format hf --out "$D/begin/e"
start=$D/begin keeps=e
for how in exchange renames; do
    [ $how = exchange ] || export DATASETGAN_NO_EXCHANGE=1
    walk_all "replace, $how" export --dataset "$D/d" --format hf --out "$D/run/e" --force
    [ -n "$FAULTS" ] && continue
    walk "replace, $how" exchange EIO 1
    walk "replace, $how" exchange KILL 1
    walk "replace, $how" rename KILL 9 10 11
    walk "replace, $how" rename EIO 9 10 11
    walk "replace, $how" unlink KILL 1 3
    walk "replace, $how" fsync EIO 15
    walk "replace, $how" rmdir EIO 1
    walk "replace, $how" lock EIO 2
done
unset DATASETGAN_NO_EXCHANGE
start= keeps=
same "$D/set" "$D/undisturbed-set" "the annotation set is only read"
same "$D/tiny" "$D/undisturbed-tiny" "the annotation set is only read"
[ -n "$FAULTS" ] && done_testing
[ $failures -ge 45 ] && ok || no "only $failures failures were met"
[ $deaths -ge 10 ] && ok || no "only $deaths deaths were met"
echo "  ok   $runs runs: $failures failed calls, $deaths deaths"
done_testing
