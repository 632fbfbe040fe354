#!/bin/sh
# datasetgan generate: every option, resuming, equal bytes for any batch, thread count, order and locale.
. tests/cli_lib.sh
gen="$BIN generate"

# ---- the plain command, again, half-done
try 0 $gen --seeds 3,7,10-12 --out "$D/a"
prints "5 pictures in"; prints "5 of them drawn now"; quiet
holds "$D/a/seed0003.png" "$D/a/seed0007.png" "$D/a/seed0010.png" "$D/a/seed0011.png" "$D/a/seed0012.png" "$D/a/run.json"
lacks "$D/a/grid.png"
before=$(hash_of "$D/a")
try 0 $gen --seeds 3,7,10-12 --out "$D/a"
prints " 0 of them drawn now"
rm "$D/a/seed0010.png"
try 0 $gen --seeds 3,7,10-12 --out "$D/a"
prints " 1 of them drawn now"
[ "$(hash_of "$D/a")" = "$before" ] && ok || no "a resumed run differs from an uninterrupted one"
try 0 $gen --seeds 3,7,10-12 --out "$D/a" --force
prints " 5 of them drawn now"
[ "$(hash_of "$D/a")" = "$before" ] && ok || no "--force on the same run changes bytes"
try 0 $gen --seeds 99 --out "$D/a"
holds "$D/a/seed0099.png"
try 0 $gen --seeds 4294967295 --out "$D/large"
holds "$D/large/seed4294967295.png"
try 0 $gen --generator "$BUNDLE/generator.safetensors" --seeds 3,7,10-12 --out "$D/named"
same "$D/named/seed0011.png" "$D/a/seed0011.png" "the bundled generator is the default"

# ---- the same bytes for any batch, thread count and order
for batch in 1 3 8; do
    for threads in 1 2; do
        t=$D/b$batch-t$threads
        try 0 $gen --seeds 3,7,10-15 --out "$t" --batch $batch --threads $threads --grid 4x2 --taps "$t/taps.safetensors" --save-w "$t/w.npy"
        same "$t" "$D/b1-t1" "batch $batch, threads $threads"
        try 0 $gen --seeds 15,3,12-14,7,10,11 --out "$D/shuffled$batch$threads" --batch $batch --threads $threads --noise random
        same "$D/shuffled$batch$threads" "$D/shuffled11" "random noise, shuffled seeds, batch $batch, threads $threads"
    done
done
try 0 $gen --seeds 3,7,10-15 --out "$D/straight" --noise random
same "$D/straight" "$D/shuffled11" "random noise depends on seed and layer alone"
if localedef -i de_DE -f UTF-8 "$D/de_DE.UTF-8" >/dev/null 2>&1 || [ -d "$D/de_DE.UTF-8" ]; then
    try 0 env LOCPATH="$D" LC_ALL=de_DE.UTF-8 $gen --seeds 3,7,10-15 --out "$D/comma" --psi 0.7 --grid 4x2 --taps "$D/comma/taps.safetensors" --save-w "$D/comma/w.npy"
    same "$D/comma" "$D/b1-t1" "a locale with a decimal comma"
else
    skip "no localedef or no source of de_DE: comma locale"
fi

# ---- contact sheet, maps, latents
t=$D/b1-t1
try 0 $BIN info "$t/grid.png" "$t/taps.safetensors" "$t/w.npy"
prints "PNG picture, 512x256, 3 channels"
prints "b4.conv1  F32 (8,128,4,4)"; prints "b128.conv0  F32 (8,16,128,128)"; prints "seeds  I64 (8)"
prints "NumPy array (8,12,256)"
before=$(hash_of "$t")
try 0 $gen --seeds 3,7,10-15 --out "$t" --grid 4x2 --taps "$t/taps.safetensors" --save-w "$t/w.npy"
prints " 0 of them drawn now"
[ "$(hash_of "$t")" = "$before" ] && ok || no "a finished run with sheet, maps and latents was changed"
try 1 $gen --seeds 3,7,10-15 --out "$t" --taps "$t/taps.safetensors" --taps-set b8.conv1; says "taps.safetensors exists"
rm "$t/taps.safetensors"
try 0 $gen --seeds 3,7,10-15 --out "$t" --grid 4x2 --taps "$t/taps.safetensors" --save-w "$t/w.npy"
prints " 0 of them drawn now"
[ "$(hash_of "$t")" = "$before" ] && ok || no "maps written later differ from maps written at once"
try 1 $gen --seeds 3,7,10-15 --out "$t" --grid 2x4; says "grid.png exists"
try 1 $gen --seeds 3,7 --out "$t" --taps "$t/taps.safetensors"; says "taps.safetensors exists"
# ---- chosen maps: sets and names
one="$gen --generator tests/golden/stylegan1_grey.safetensors --seeds 1,2 --out $D/set"
for set in released:4 paper:4 last-1:1 b4.input,b8.conv1:2; do
    try 0 $one --taps "$D/set.taps" --taps-set "${set%:*}" --force
    try 0 $BIN info "$D/set.taps"; prints "tensors       $((${set#*:} + 1)),"
done
prints "b4.input"; prints "b8.conv1"
try 0 $one --taps "$D/set.taps" --taps-set b8.conv1,b4.input; prints ", 0 of them drawn now"
try 2 $one --taps-set paper; says "--taps is needed"
try 2 $one --taps "$D/none" --taps-set b8.conv9; says "b8.conv9"
try 2 $one --taps "$D/none" --taps-set b8.conv1,; says "--taps-set"
try 1 $gen --seeds 3,7 --out "$t" --save-w "$t/w.npy"; says "w.npy exists"
try 0 $gen --seeds 3,7,10-15 --out "$t" --grid 2x4 --force
try 0 $BIN info "$t/grid.png"; prints "256x512"
try 2 $gen --seeds 3,7,10-15 --out "$t" --grid 2x2; says "2x2 holds 4 pictures, 8 seeds"
for bad in 2 2x x2 0x4 2x2x2 2X2 a2x2 -1x2 99999999999x1; do try 2 $gen --seeds 3 --out "$D/none" --grid=$bad; says "COLSxROWS"; done

# ---- truncation and noise
try 0 $gen --seeds 1,2 --out "$D/psi0" --psi 0
same "$D/psi0/seed0001.png" "$D/psi0/seed0002.png" "psi 0 is the mean picture for every seed"
try 0 $gen --seeds 1,2 --out "$D/psi1" --psi 1
differ "$D/psi1/seed0001.png" "$D/psi1/seed0002.png" "psi 1"
try 0 $gen --seeds 1,2 --out "$D/cut0" --psi 0.3 --cutoff 0
same "$D/cut0/seed0001.png" "$D/psi1/seed0001.png" "cutoff 0 truncates nothing"
try 0 $gen --seeds 1,2 --out "$D/cut4" --psi 0 --cutoff 4
differ "$D/cut4/seed0001.png" "$D/cut4/seed0002.png" "cutoff 4 leaves the later layers alone"
try 0 $gen --seeds 1,2 --out "$D/cut12" --psi 0 --cutoff 12
same "$D/cut12/seed0001.png" "$D/psi0/seed0001.png" "cutoff of all layers is no cutoff"
try 2 $gen --seeds 1 --out "$D/none" --cutoff 13; says "at most the generator's 12 layers, found 13"
for psi in -1.5 2e0 1e30; do try 0 $gen --seeds 1 --out "$D/psi$psi" --psi $psi; done
try 0 $gen --seeds 1,2 --out "$D/quiet" --noise none
try 0 $gen --seeds 1,2 --out "$D/random" --noise random
try 0 $gen --seeds 1,2 --out "$D/const" --noise const
differ "$D/quiet/seed0001.png" "$D/const/seed0001.png" "noise none"
differ "$D/random/seed0001.png" "$D/const/seed0001.png" "noise random"
try 0 $gen --seeds 1,2 --out "$D/default"
same "$D/default" "$D/const" "noise const and psi 0.7 are the defaults"

# ---- classes, and a StyleGAN1's own truncation
res="$gen --generator tests/golden/stylegan2_res.safetensors --seeds 1,2"
try 2 $res --out "$D/class"; says "the generator is conditional: --class is needed, 0 to 2"
try 2 $res --out "$D/class" --class 3; says "class: expected 0 to 2, found 3"
try 2 $gen --seeds 1 --out "$D/class" --class 1; says "class: "
try 0 $res --out "$D/class1" --class 1 --taps "$D/class1.safetensors"
try 0 $res --out "$D/class2" --class 2
differ "$D/class1/seed0001.png" "$D/class2/seed0001.png" "another class"
try 0 $res --out "$D/class1" --class 1; prints " 0 of them drawn now"
try 1 $res --out "$D/class1" --class 2; says "class"
for threads in 1 3; do try 0 env OMP_NUM_THREADS=$threads $BIN info; prints "threads       $threads"; done
try 0 $BIN info tests/golden/stylegan2_res.safetensors; prints "maps of 18,12,6 channels, 3 classes, clamp 1.9"
one="$gen --generator tests/golden/stylegan1_a.safetensors --seeds 1,2 --psi 0"
try 0 $one --out "$D/one"
try 0 $one --out "$D/one8" --cutoff 8
same "$D/one" "$D/one8" "a StyleGAN1 is truncated to its file's 8 layers"
try 0 $one --out "$D/one12" --cutoff 12
differ "$D/one12/seed0001.png" "$D/one/seed0001.png" "all 12 layers on request"

try 0 $gen --seeds 1 --out "$D/ref" --kernels ref
try 1 $gen --seeds 1 --out "$D/ref" --kernels portable; says 'kernels: expected "portable", found "ref"'

# ---- what is in the way
try 1 $gen --seeds 1,2 --out "$D/default" --psi 0.5; says "psi: expected 0.5, found 0.7"
try 0 $gen --seeds 1,2 --out "$D/default" --psi 0 --force
same "$D/default" "$D/psi0" "--force leaves the folder as a fresh run"
try 1 $gen --seeds 1 --out "$D/default" --psi 0.5 --force; says "seed0002.png is a picture of another run"
mkdir "$D/foreign"
echo other >"$D/foreign/seed0001.png"
try 1 $gen --seeds 1 --out "$D/foreign"; says "seed0001.png exists"; lacks "$D/foreign/run.json"
try 1 $gen --seeds 2 --out "$D/foreign"; says "seed0001.png is a picture of another run"
try 0 $gen --seeds 1 --out "$D/foreign" --force
mkdir "$D/odd"
echo '[]' >"$D/odd/run.json"
try 1 $gen --seeds 1 --out "$D/odd"; says "expected the record of a run"

# ---- grey and RGBA generators (small ones of the golden tests)
for kind in grey:16:1 rgb:32:3 rgba:16:4; do
    name=${kind%%:*} channels=${kind##*:}
    try 0 $gen --generator tests/golden/stylegan2_$name.safetensors --seeds 1-6 --grid 3x2 --out "$D/$name" --taps "$D/$name.taps"
    try 0 $BIN info "$D/$name/grid.png"; prints ", $channels channel"
done

# ---- interrupted: exit 130, the printed command goes on, the bytes are those of an uninterrupted run
pictures=250
tiny="$gen --generator $TINY"
try 0 $tiny --seeds 0-$((pictures - 1)) --out "$D/whole" --threads 1
for signal in INT TERM; do
    (exec $tiny --seeds 0-$((pictures - 1)) --out "$D/cut '$signal'" --threads 1) >"$D/out" 2>"$D/err" &
    pid=$!
    while [ ! -e "$D/cut '$signal'/seed0040.png" ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
    kill -$signal $pid
    wait $pid
    got=$?
    [ $got -eq 130 ] && ok || no "SIG$signal: status $got, expected 130"
    says "interrupted; to go on: "
    [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "SIG$signal: more than one line"
    count=$(find "$D/cut '$signal'" -name 'seed*.png' | wc -l)
    [ "$count" -lt $pictures ] && ok || no "SIG$signal came too late to be a test"
    sed 's/^interrupted; to go on: //' "$D/err" >"$D/again.sh"
    try 0 sh "$D/again.sh"
    same "$D/cut '$signal'" "$D/whole" "resumed after SIG$signal at $count of $pictures"
    echo "  ok   SIG$signal at $count of $pictures pictures"
done

# A second one ends at once, without a word: the first waits for the picture at hand, and ref takes its time.
(exec $gen --seeds 1-9 --out "$D/twice" --kernels ref --batch 9) >"$D/out" 2>"$D/err" &
pid=$!
while [ ! -e "$D/twice/run.json" ] && kill -0 $pid 2>/dev/null; do sleep 0.02; done
kill -INT $pid; sleep 0.2; kill -INT $pid
wait $pid
got=$?
[ $got -eq 130 ] && [ ! -s "$D/err" ] && ok || no "a second SIGINT: status $got, $(cat "$D/err")"

# ---- progress on a terminal only; output that cannot be written
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then      # a system without /dev/pts has no terminal to give
    script -qec "$gen --seeds 0-59 --out $D/tty" "$D/typescript" </dev/null >/dev/null 2>&1
    grep -q "picture  .*/60  .*/s  .* left" "$D/typescript" && ok || no "no progress line on a terminal"
else
    skip "no script(1) or no terminals: progress on a terminal"
fi
$gen --seeds 3 --out "$D/a" >/dev/full 2>"$D/err"; [ $? -eq 1 ] && ok || no "a full standard output is a failure"
says "standard output: cannot write"
$gen --seeds 3 --out "$D/a" >&- 2>"$D/err"; [ $? -eq 1 ] && ok || no "a closed standard output is a failure"
says "standard output: cannot write"
try 0 $gen --help; prints "usage: datasetgan generate"; prints "--cutoff N"
done_testing
