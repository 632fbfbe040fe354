#!/bin/sh
# datasetgan train: every option, resuming after signals and kills at moments spread over the run, equal bytes for any threads.
. tests/cli_lib.sh
small_task "$D/set"
task=$D/set/task.json
train="$BIN train --task $task --epochs 0.2"
tiny_task "$D/tiny"
tiny="$BIN train --task $D/tiny/task.json --batch 256 --epochs 1"

# ---- the plain command, again, others in the way
try 0 $train --out "$D/a" --members 2 --threads 1
prints "is trained"; quiet; holds "$D/a"; lacks "$D/a.part"
before=$(hash_of "$D/a")
try 0 $train --out "$D/a" --members 2; prints "is there already"
try 1 $train --out "$D/a" --members 3; says "members"; says "--force replaces it"
[ "$(hash_of "$D/a")" = "$before" ] && ok || no "a refused run changed the file"
try 0 $train --out "$D/a" --members 1 --force
differ "$D/a" "$D/set/task.json" "--force"
echo other >"$D/other"
try 1 $train --out "$D/other" --members 1; says "other: "
[ "$(cat "$D/other")" = other ] && ok || no "a foreign file was replaced"
try 0 $train --out "$D/other" --members 1 --force
same "$D/other" "$D/a" "--force over a foreign file"

# ---- the same bytes for any number of threads and in any locale
try 0 $train --out "$D/t1" --members 3 --threads 1
try 0 $train --out "$D/t2" --members 3 --threads 2
same "$D/t1" "$D/t2" "threads 1 and 2"
if localedef -i de_DE -f UTF-8 "$D/de_DE.UTF-8" >/dev/null 2>&1 || [ -d "$D/de_DE.UTF-8" ]; then
    try 0 env LOCPATH="$D" LC_ALL=de_DE.UTF-8 $train --out "$D/comma" --members 3
    same "$D/comma" "$D/t1" "a locale with a decimal comma"
else
    skip "no localedef or no source of de_DE: comma locale"
fi

# ---- every option
try 0 $tiny --members 1 --out "$D/plain"
n=0
for options in "--seed 7" "--batch 512" "--lr 1e-3" "--schedule constant" "--decay 1e-2" "--dropout1 0.2" "--dropout2 0.1" \
    "--standardise off" "--feature-noise 0.1" "--class-weights balanced" "--class-weights root" "--width2 0" "--width1 0" "--width1 16" "--width2 8" "--taps-set b16.conv0,b32.conv1" "--stop official" "--epochs=2" "--split test"; do
    n=$((n + 1))
    case $options in
        --epochs*) try 0 $BIN train --task "$D/tiny/task.json" --batch 256 --members 1 --out "$D/o$n" $options ;;
        --batch*) try 0 $BIN train --task "$D/tiny/task.json" --epochs 1 --members 1 --out "$D/o$n" $options ;;
        *) try 0 $tiny --members 1 --out "$D/o$n" $options ;;
    esac
    differ "$D/o$n" "$D/plain" "$options"
done
try 0 $tiny --members 1 --out "$D/last" --taps-set last-2
try 0 $BIN info "$D/last"; prints "2: b32.conv0 b32.conv1"
try 2 $tiny --members 1 --out "$D/none" --taps-set last-0; says "last-0"
try 0 $BIN info "$D/o16"; prints "2: b16.conv0 b32.conv1"; prints "1 members: 18 features -> 128 -> 32 -> 2 classes"
try 0 $BIN info "$D/o12"; prints "116 features -> 128 -> 4 -> 2"; prints '"width2":0'
try 0 $BIN info "$D/o13"; prints "116 features -> 4 -> 4 -> 2"; prints '"width1":0'; prints '"width2":0'
try 0 $tiny --members 1 --out "$D/noise1" --feature-noise 0.1 --threads 1; same "$D/noise1" "$D/o9" "feature noise, again"
try 0 $BIN info "$D/o14"; prints "116 features -> 16 -> 32 -> 2"
try 0 $train --members 1 --out "$D/default" --recipe default --kernels auto --generator "$BUNDLE/generator.safetensors"
same "$D/default" "$D/a" "the defaults, named"
try 0 $BIN train --task "$D/tiny/task.json" --members 1 --out "$D/paper" --recipe paper --epochs 0.1
try 0 $BIN info "$D/paper"; prints '"recipe":"paper"'; prints '"batch":64'
try 2 $train --out "$D/none" --members 0; try 2 $train --out "$D/none" --lr 0; try 2 $train --out "$D/none" --dropout1 1
try 2 $train --out "$D/none" --recipe fast; says "one of default|paper"
try 2 $train --out "$D/none" --taps-set b64.conv0,,b128.conv1; says "--taps-set"
try 2 $train --out "$D/none" --taps-set b64.conv9; says "b64.conv9"
try 2 $train --out "$D/none" --split nosuch; says "nosuch"
try 2 $BIN train --task "$task"; says "--out is required"
lacks "$D/none" "$D/none.part"

# ---- a start from an earlier interpreter
try 0 $tiny --members 2 --out "$D/two"
try 0 $BIN train --task "$D/tiny/task.json" --batch 256 --init "$D/two" --out "$D/on1" --threads 1
try 0 $BIN train --task "$D/tiny/task.json" --batch 256 --init "$D/two" --out "$D/on2" --threads 2
same "$D/on1" "$D/on2" "a start from another: threads 1 and 2"; differ "$D/on1" "$D/two" "it went on"
try 0 $BIN info "$D/on1"; prints '"init":"'; prints '"epochs":0.5'; prints "2 members"
try 0 $BIN train --task "$D/tiny/task.json" --batch 256 --init "$D/o16" --out "$D/on3"
try 0 $BIN info "$D/on3"; prints "2: b16.conv0 b32.conv1"
try 2 $tiny --init "$D/two" --width1 7 --out "$D/none"; says "its widths 128 and 32"
try 2 $tiny --init "$D/two" --members 3 --out "$D/none"; says "at most its 2 members"
try 2 $tiny --init "$D/two" --standardise off --out "$D/none"; says "standardisation"
try 2 $tiny --init "$D/two" --taps-set last-2 --out "$D/none"; says "feature maps"
try 3 $train --init "$D/two" --out "$D/none"; says "trained on generator"
try 1 $tiny --init "$D/set/task.json" --out "$D/none"
lacks "$D/none" "$D/none.part"

# ---- an option beats task.json, with a warning, and pictures drawn otherwise do not belong to the set
$train --out "$D/psi" --members 1 --psi 0.5 >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "pictures of another psi: exit 3"
says "warning: --psi 0.5 replaces 0.7"; says "do not belong together"; lacks "$D/psi"
try 0 $train --out "$D/psi" --members 1 --psi 0.7; quiet
$train --out "$D/cut" --members 1 --cutoff 2 >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "pictures of another cutoff: exit 3"
says "warning: --cutoff 2 replaces all layers"
$train --out "$D/noise" --members 1 --noise none >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "pictures without noise: exit 3"
says "warning: --noise none replaces const"

# ---- killed at any checkpoint, the same command ends with the bytes of an uninterrupted run
long="$BIN train --task $D/tiny/task.json --batch 256 --epochs 8 --members 12 --threads 1"
checkpoints=0 last=
count_checkpoints() {
    seen=$(stat -c '%i %z' "$D/$killed.part" 2>/dev/null)
    [ "$seen" != "$last" ] && checkpoints=$((checkpoints + 1)) && last=$seen
    echo "$checkpoints" >"$D/count"
}
count() { count_checkpoints; cat "$D/count"; }
try 0 $long --out "$D/whole"
moments="1 3 6 9"
[ "$QUICK" ] && moments="3"
for at in $moments; do
    killed=killed$at checkpoints=0 last=
    $long --out "$D/$killed" >"$D/out" 2>"$D/err" &
    pid=$!
    while kill -0 $pid 2>/dev/null && [ $checkpoints -lt $at ]; do count_checkpoints; sleep 0.01; done
    kill -9 $pid 2>/dev/null
    wait $pid 2>/dev/null
    [ $? -eq 137 ] && ok || no "training ended before it could be killed at checkpoint $at"
    lacks "$D/$killed"; holds "$D/$killed.part"
    echo "  ok   killed after checkpoint $at of 13"
    try 1 $tiny --members 2 --out "$D/$killed"; says "checkpoint belongs to a run with other settings"
    try 0 $long --out "$D/$killed"
    same "$D/$killed" "$D/whole" "resumed after a kill at checkpoint $at"
    lacks "$D/$killed.part"; no_temporaries "$D"
done
for signal in INT TERM; do
    (exec $long --out "$D/cut$signal") >"$D/out" 2>"$D/err" &
    pid=$!
    while kill -0 $pid 2>/dev/null && [ ! -e "$D/cut$signal.part" ]; do sleep 0.01; done
    kill -$signal $pid
    wait $pid
    got=$?
    [ $got -eq 130 ] && ok || no "SIG$signal: status $got, expected 130"
    says "interrupted; to go on: "; lacks "$D/cut$signal"; holds "$D/cut$signal.part"
    sed 's/^interrupted; to go on: //' "$D/err" >"$D/again.sh"
    try 0 sh "$D/again.sh"
    same "$D/cut$signal" "$D/whole" "resumed after SIG$signal"
done
try 0 $BIN train --help; prints "--taps-set NAMES"
done_testing
