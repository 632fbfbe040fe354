#!/bin/sh
# Bad input: one line on stderr, exit 1 or 2, nothing half-written.  Files, options, labels, outputs in the way, too little memory.
. tests/cli_lib.sh
small_task "$D/set"
task=$D/set/task.json
small_interpreter "$D/i"
G=$BUNDLE/generator.safetensors
gen="$BIN generate --seeds 1 --out $D/none"
train="$BIN train --out $D/none --members 1 --epochs 0.1"
nothing() { lacks "$D/none" "$D/none.part"; no_temporaries "$D"; }

# ---- commands and options
try 2 $BIN; says "expected a command"
try 2 $BIN genrate; says "unknown command 'genrate'; the nearest is generate"
try 0 $BIN --help; prints "usage: datasetgan COMMAND"; prints "3 a check found a mismatch"
try 0 $BIN --version; prints "datasetgan "
try 2 $gen --pis 0.5; says "unknown option --pis; the nearest is --psi"
try 2 $gen --psi nan; says "expected a finite number, found 'nan'"
try 2 $BIN generate --out "$D/none" --seeds 3x; says "expected seeds such as 3,7,10-20"
try 2 $BIN generate --out "$D/none" --seeds 4294967296; says "expected seeds"
try 2 $BIN generate --out "$D/none"; says "--seeds is required"
try 2 $gen --kernels fast; says "ref"
try 2 $gen --threads 0x2; try 2 $gen --batch 0; try 2 $gen --batch 257; try 2 $gen stray; says "unexpected argument 'stray'"
try 2 $BIN dataset --interpreter "$D/i" --out "$D/none" --count 1e3; says "--count: expected a whole number"
nothing

# ---- generators: missing, no safetensors file, truncated anywhere, another architecture, a number that is none
try 1 $gen --generator "$D/nosuch"; says "nosuch"
try 1 $gen --generator "$D"; says "$D"
for bytes in 0 4 8 100 5000 20000 6000000; do
    head -c $bytes "$G" >"$D/cut"
    try 1 $gen --generator "$D/cut"; says "$D/cut"
done
try 1 $gen --generator "$BUNDLE/README.md"; says "README.md"
try 1 $gen --generator "$D/set/images/seed0042.png"
for change in 's/"architecture":"skip"/"architecture":"orig"/' 's/"network":"stylegan2"/"network":"stylegan3"/' 's/"format":"1"/"format":"2"/' \
    's/"resolution":"128"/"resolution":"256"/' 's/"w_dim":"256"/"w_dim":"255"/' 's/mapping.fc0.bias/mapping.fc9.bias/' 's/\[256,256\]/[128,512]/' \
    's/"kind":"generator"/"kind":"generated"/;s/"c_dim":"0",/"c_di":"",/'; do
    LC_ALL=C sed "$change" "$G" >"$D/changed"
    try 1 $gen --generator "$D/changed"; says "$D/changed"
done
cp "$G" "$D/nan"
size=$(stat -c %s "$G")
printf '\377\377\377\377' | dd of="$D/nan" bs=1 seek=$((size - 4)) conv=notrunc 2>/dev/null
try 1 $gen --generator "$D/nan"; says "finite"
try 1 $gen --generator "$D/i"; says "kind"
nothing

# ---- interpreters: missing, truncated, of another generator
data="$BIN dataset --out $D/none --count 1"
try 1 $data --interpreter "$D/nosuch"; says "nosuch"
head -c 9000 "$D/i" >"$D/cut"
try 1 $data --interpreter "$D/cut"; says "$D/cut"
try 1 $data --interpreter "$G"; says "interpreter"
cp "$G" "$D/other"
printf '\001' | dd of="$D/other" bs=1 seek=$((size - 4)) conv=notrunc 2>/dev/null
try 1 $data --interpreter "$D/i" --generator "$D/other"; says "was trained on generator"
try 1 $BIN eval --task "$task" --interpreter "$D/i" --generator "$D/other"; says "was trained on generator"
$train --task "$task" --generator "$D/other" >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "another generator than the set's: exit 3"
says "do not belong together"
nothing

# ---- annotation sets
bad_set() { rm -rf "$D/bad"; cp -r "$D/set" "$D/bad"; }
bad_set; rm "$D/bad/labels/seed0042.png"; try 1 $train --task "$D/bad/task.json"; says "labels/seed0042.png"
bad_set; rm "$D/bad/images/seed0065.png"; try 1 $train --task "$D/bad/task.json"; says "images/seed0065.png"
bad_set; one_colour 128x4 >"$D/bad/labels/seed0042.png"; try 1 $train --task "$D/bad/task.json"; says "class id 4"; says "seed0042.png"
bad_set; one_colour 64x1 >"$D/bad/labels/seed0042.png"; try 1 $train --task "$D/bad/task.json"; says "expected 128 x 128"; says "found 64 x 64"
bad_set; one_colour 64x1 >"$D/bad/images/seed0042.png"; $train --task "$D/bad/task.json" >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "picture of another size: exit 3"
bad_set; head -c 300 "$D/set/labels/seed0042.png" >"$D/bad/labels/seed0042.png"; try 1 $train --task "$D/bad/task.json"; says "seed0042.png"
bad_set; cp "$D/set/images/seed0042.png" "$D/bad/labels/seed0042.png"; try 1 $train --task "$D/bad/task.json"; says "seed0042.png"
bad_set; cp "$D/set/images/seed0042.png" "$D/bad/images/seed0065.png"; $train --task "$D/bad/task.json" >"$D/out" 2>"$D/err"
[ $? -eq 3 ] && ok || no "a picture of another seed: exit 3"
says "seed 65"; says "do not belong together"
for change in 's/"seed": 65/"seed": 42/' 's/"seed": 65/"seed": -1/' 's/"seed": 65/"seed": "x"/' 's/"id": 1/"id": 5/' 's/"id": 1/"id": 1, "id": 1/' \
    's|"labels/seed0042|"../labels/seed0042|' 's/"psi": 0.7/"psi": "x"/' 's/"noise": "const"/"noise": "some"/' 's/]}$/]/' 's/"items"/"item"/' \
    's/nucleus/cytoplasm/' 's/#000000/black/'; do
    bad_set
    sed "$change" "$task" >"$D/bad/task.json"
    try 1 $train --task "$D/bad/task.json"; says "task.json"
done
try 1 $train --task "$D/nosuch.json"; says "nosuch.json"
try 1 $train --task "$G"
nothing

# ---- outputs in the way
echo file >"$D/file"
try 1 $BIN generate --seeds 1 --out "$D/file/below"; says "$D/file"
try 1 $BIN generate --seeds 1 --out "$D/file"; says "$D/file"
try 1 $BIN train --task "$task" --members 1 --epochs 0.1 --out "$D/file/i"; says "$D/file"
try 1 $BIN train --task "$task" --members 1 --epochs 0.1 --out "$D/nosuch/i"; says "$D/nosuch"
try 1 $BIN dataset --interpreter "$D/i" --count 1 --out "$D/file/d"; says "$D/file"
try 1 $BIN eval --task "$task" --interpreter "$D/i" --json "$D/file/e.json"; says "$D/file"
try 1 $BIN generate --seeds 1 --out "$D/g" --taps "$D/file/t"; says "$D/file"
try 1 $BIN generate --seeds 1 --out "$D/g" --save-w "$D/file/w"; says "$D/file"
[ "$(cat "$D/file")" = file ] && ok || no "a file in the way was changed"
no_temporaries "$D"

# ---- too little address space: from what the loader needs up to enough, every size ends in a result or in one line
case $BUILD in
*sanitize*) skip "ulimit -v: AddressSanitizer reserves terabytes" ;;
# When memory ends while it starts, clang 14's OpenMP wants to say so, for which it starts, and waits for its own lock.
*clang*) skip "ulimit -v: clang's OpenMP can wait for itself for ever" ;;
*)
    kb=6000
    while ! (ulimit -v $kb; exec $BIN --version) >/dev/null 2>&1; do kb=$((kb + 2000)); done
    lines=0
    for command in "generate --seeds 1-2 --batch 2 --threads 1 --out" "train --task $task --members 2 --epochs 0.1 --threads 1 --out" \
        "dataset --interpreter $D/i --count 3 --threads 1 --out"; do
        at=$kb
        while :; do
            rm -rf "$D/none"
            (ulimit -v $at; exec $BIN $command "$D/none") >"$D/out" 2>"$D/err"
            got=$?
            [ $got -eq 0 ] && break
            if [ $got -eq 1 ] && [ "$(wc -l <"$D/err")" -eq 1 ] && grep -q "memory" "$D/err"; then ok; lines=$((lines + 1))
            else no "ulimit -v $at: ${command%% *}: status $got: $(head -n 2 "$D/err" | tr '\n' '|')"
            fi
            no_temporaries "$D/none"
            at=$((at + 1500))
            [ $at -lt 1000000 ] || { no "ulimit -v: ${command%% *} never succeeds"; break; }
        done
        try 0 $BIN $command "$D/none"
        rm -rf "$D/none" "$D/none.part"
    done
    [ $lines -ge 6 ] && ok || no "the memory test met only $lines failures"
    echo "  ok   $lines runs out of memory explained themselves"
    ;;
esac
done_testing
