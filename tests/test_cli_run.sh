#!/bin/sh
# A bad day: two processes on one folder, a full disk, limits, closed pipes, signals, file systems that cannot sync, rename or lock,
# files that change while they are read.  Each time one clear line, or the right result; and the same command goes on.
. tests/cli_lib.sh
in_memory
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/i"
export DATASETGAN_LEAKS=1
run="dataset --generator $TINY --interpreter $D/i --threads 1"
try 0 $BIN $run --out "$D/whole" --count 200
try 0 $BIN $run --out "$D/few" --count 3

# ---- two processes on one folder: the second is refused, a dead one is in nobody's way
$BIN $run --out "$D/two" --count 100000 >"$D/first.out" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -s "$D/two/metadata.jsonl" ]; do sleep 0.01; done
try 1 $BIN $run --out "$D/two" --count 100000; says "another process is working in this folder"
try 1 $BIN $run --out "$D/two" --count 100000 --force; says "another process is working in this folder"
holds "$D/two/run.json"
kill -9 $pid
wait $pid 2>/dev/null
lacks "$D/two/index.html"
listed=$(wc -l <"$D/two/metadata.jsonl")
if [ "$listed" -lt 200 ]; then
    try 0 $BIN $run --out "$D/two" --count 200
    same "$D/two" "$D/whole" "resumed after the first process died"
else
    skip "the first process was too fast"
fi
learn="train --task $D/tiny/task.json --members 2 --batch 256 --width1 16 --width2 8 --threads 1 --out $D/learned"
$BIN $learn --epochs 100000 >"$D/first.out" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -s "$D/learned.part" ]; do sleep 0.01; done
try 1 $BIN $learn --epochs 100000; says "learned.part: another process is working on it"
try 1 $BIN $learn --epochs 100000 --force; says "learned.part: another process is working on it"
lacks "$D/learned" "$D/learned.part.tmp"
kill -9 $pid
wait $pid 2>/dev/null
try 0 $BIN $learn --epochs 2 --force
same "$D/learned" "$D/i" "trained after the first process died"
lacks "$D/learned.part"
try 1 $BIN train --task "$D/tiny/task.json" --out "$D/learned" --members 2 --epochs 2 --batch 256; lacks "$D/learned.part"
$BIN generate --generator "$TINY" --seeds 1-200000 --out "$D/pictures" >"$D/first.out" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -e "$D/pictures/seed0002.png" ]; do sleep 0.01; done
try 1 $BIN generate --generator "$TINY" --seeds 1-3 --out "$D/pictures"; says "another process is working in this folder"
try 1 $BIN generate --generator "$TINY" --seeds 1-3 --out "$D/pictures" --psi 0.5 --force; says "another process is working in this folder"
kill -9 $pid
wait $pid 2>/dev/null
try 0 $BIN generate --generator "$TINY" --seeds 1-3 --out "$D/pictures"
mkdir "$D/v.tmp"
sed 's/dataset run/dataset view/' "$D/few/run.json" >"$D/v.tmp/run.json"
if command -v flock >/dev/null; then
    flock "$D/v.tmp" sleep 2 &
    pid=$!
    sleep 0.2
    try 1 $BIN filter --dataset "$D/few" --out "$D/v"; says "another process is working in this folder"
    wait $pid
else
    skip "no flock: a view that another process writes"
fi
try 0 $BIN filter --dataset "$D/few" --out "$D/v"

# ---- limits and signals
# 1024 bytes: clang's OpenMP makes a note of that size in /dev/shm.
try 1 sh -c "ulimit -f 2; exec $BIN $run --out $D/limit --count 200"; says "File too large"; no_temporaries "$D/limit"
try 0 $BIN $run --out "$D/limit" --count 200
same "$D/limit" "$D/whole" "resumed after RLIMIT_FSIZE"
try 1 sh -c "$BIN $run --out $D/closed --count 3 >&-"; says "standard output: cannot write"
same "$D/closed" "$D/few" "closed standard output: all is there"
try 1 sh -c "$BIN $run --out $D/full --count 3 >/dev/full"; says "standard output: cannot write"
same "$D/full" "$D/few" "full standard output: all is there"
mkfifo "$D/pipe"
(exec 3<"$D/pipe"; exec 3<&-) &
try 1 sh -c "exec >$D/pipe; wait; sleep 0.2; exec $BIN $run --out $D/broken --count 3"; says "standard output: cannot write"
same "$D/broken" "$D/few" "broken pipe: all is there"
wait
# Under nohup(1) everything started here ignores SIGHUP, and goes on as it should.
hup_ignored() { sh -c 'kill -HUP $$; exit 0'; }
for signal in TERM INT HUP PIPE; do
    folder=$D/$signal
    $BIN $run --out "$folder" --count 200 >"$D/out" 2>"$D/err" &
    pid=$!
    while kill -0 $pid 2>/dev/null && [ "$(find "$folder" -name '*.png*' 2>/dev/null | wc -l)" -lt 20 ]; do sleep 0.01; done
    kill -$signal $pid
    wait $pid
    got=$?
    case $signal in
        TERM) [ $got -eq 130 ] && ok || no "SIGTERM: status $got"; says "interrupted; to go on: "; no_temporaries "$folder" ;;
        INT) [ $got -eq 130 ] || [ $got -eq 0 ] && ok || no "SIGINT: status $got" ;;      # a shell's background job may ignore it
        HUP) [ $got -eq 129 ] || { [ $got -eq 0 ] && hup_ignored; } && ok || no "SIGHUP: status $got" ;;
        PIPE) [ $got -eq 0 ] && ok || no "SIGPIPE: status $got" ;;
    esac
    try 0 $BIN $run --out "$folder" --count 200
    same "$folder" "$D/whole" "resumed after SIG$signal"
done

# ---- file systems without sync, rename, locks; a full one
on() { fault=$1; rm -rf "$D/fs"; shift; want=$1; shift; try "$want" env DATASETGAN_FAULT="$fault" $FAULTY $run --out "$D/fs" --count 3; }
on "fsync:1:EINVAL+" 1; says "fsync"
on "fsync:1:ENOSYS+" 1; says "fsync: Function not implemented"
on "fsync:1:ENOTSUP+" 1; says "fsync"
for e in EXDEV EPERM EEXIST ENOSYS; do on "rename:1:$e+" 1; says "rename"; no_temporaries "$D/fs"; done
for e in ENOSYS ENOLCK ENOTSUP EINVAL; do
    on "lock:1:$e+" 0
    says "warning: "; says "cannot be locked"
    same "$D/fs" "$D/few" "a file system without locks"
done
on "write:5:ENOSPC+" 1; says "No space left"; no_temporaries "$D/fs"
try 0 $BIN $run --out "$D/fs" --count 3
same "$D/fs" "$D/few" "resumed after a full disk"

# ---- files that change while they are read: a generator, an interpreter, a task, a picture, a label
reads=$(DATASETGAN_COUNTS=1 $FAULTY $run --out "$D/counted" --count 3 2>&1 >/dev/null | sed -n 's/^read //p')
refused=0 shorter=0
for n in $(seq 1 "$reads"); do
    rm -rf "$D/end"
    DATASETGAN_FAULT=read:$n:END $FAULTY $run --out "$D/end" --count 3 >"$D/out" 2>"$D/err"
    got=$?
    # Where the end is looked for, finding it is right.
    if [ $got -eq 0 ]; then same "$D/end" "$D/few" "read $n finds the end"; else shorter=$((shorter + 1)); says "became shorter"; fi
done
[ $shorter -ge 5 ] && ok || no "only $shorter of $reads reads noticed that the file ended"
for n in $(seq 1 "$reads"); do
    rm -rf "$D/flip"
    DATASETGAN_FAULT=read:$n:FLIP $FAULTY $run --out "$D/flip" --count 3 >"$D/out" 2>"$D/err"
    got=$?
    [ $got -eq 0 ] || { refused=$((refused + 1)); [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "read $n with a changed bit: $(head -n 3 "$D/err")"; continue; }
    # Another interpreter is a right one: run.json says which.
    if cmp -s "$D/flip/run.json" "$D/few/run.json"; then same "$D/flip" "$D/few" "read $n with a changed bit was not noticed"
    else try 1 $BIN $run --out "$D/flip" --count 3; says "this folder holds another run"
    fi
done
[ $refused -ge 3 ] && ok || no "only $refused of $reads changed bits were refused"
t="train --task $D/tiny/task.json --members 1 --epochs 1 --width1 8 --width2 8 --threads 1"
try 0 $BIN $t --out "$D/t"
reads=$(DATASETGAN_COUNTS=1 $FAULTY $t --out "$D/counted.i" 2>&1 >/dev/null | sed -n 's/^read //p')
for n in $(seq 1 "$reads"); do
    rm -f "$D/x"
    DATASETGAN_FAULT=read:$n:END $FAULTY $t --out "$D/x" >"$D/out" 2>"$D/err"
    got=$?
    if [ $got -eq 0 ]; then same "$D/x" "$D/t" "train, read $n ends early"; else lacks "$D/x" "$D/x.tmp"; [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "train, read $n"; fi
done
done_testing
