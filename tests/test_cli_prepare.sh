#!/bin/sh
# datasetgan prepare: pictures to annotate, chosen alike for any threads and batch; what is there is never replaced.
. tests/cli_lib.sh
printf 'left\nright #ff0000\n' >"$D/names"
gen="--generator $TINY"
tiny_task "$D/set"

# ---- the seeds given
try 0 $BIN prepare $gen --classes "$D/names" --seeds 3,1,2 --out "$D/a"; prints "3 pictures in $D/a/images"; quiet; no_temporaries "$D/a"
same "$D/a/images/seed0001.png" "$D/set/images/seed0001.png" "the picture of generate"
printf '__ignore__\n_background_\nright\n' >"$D/want"; same "$D/a/labels.txt" "$D/want" "labels.txt"
printf 'left:0,0,0::\nright:255,0,0::\n' >"$D/want"; same "$D/a/labelmap.txt" "$D/want" "labelmap.txt"
before=$(hash_of "$D/a")
try 0 $BIN prepare $gen --classes "$D/names" --seeds 3,1,2 --out "$D/a"; prints "there already"
try 1 $BIN prepare $gen --classes "$D/names" --seeds 3,1 --out "$D/a"; says "perhaps labels drawn over them"
echo '{}' >"$D/a/images/seed0001.json"
try 1 $BIN prepare $gen --classes "$D/names" --seeds 3,1 --out "$D/a"; holds "$D/a/images/seed0001.json"
rm "$D/a/images/seed0001.json"
[ "$(hash_of "$D/a")" = "$before" ] && ok || no "the folder was changed"

# ---- labels of any tool go in, and the set trains
mkdir "$D/png"
for seed in 1 2 3; do one_colour 32half >"$D/png/seed000$seed.png"; done
try 0 $BIN import --from png --in "$D/png" --task "$D/a/task.json" --out "$D/ready"; prints "3 imported"
try 0 $BIN train --task "$D/ready/task.json" --out "$D/i" --members 2 --epochs 2 --batch 256 --width1 16 --width2 8

# ---- chosen: the same for any threads and batch, and other than the first ones
try 0 $BIN prepare $gen --classes "$D/names" --choose 5 --from 40 --out "$D/c" --threads 1 --batch 1; prints "5 pictures"
try 0 $BIN prepare $gen --classes "$D/names" --choose 5 --from 40 --out "$D/d" --threads 3 --batch 7
same "$D/c" "$D/d" "threads and batch"
[ "$(ls "$D/c/images" | wc -l)" -eq 5 ] && ok || no "5 pictures"
try 0 $BIN prepare $gen --classes "$D/names" --choose 5 --from 40 --first-seed 40 --out "$D/e"
[ "$(ls "$D/e/images" | head -n 1)" \> "seed0039.png" ] && ok || no "--first-seed"
try 0 $BIN prepare $gen --classes "$D/names" --choose 40 --from 40 --out "$D/f"; [ "$(ls "$D/f/images" | wc -l)" -eq 40 ] && ok || no "all of them"

# ---- with an interpreter: of the uncertain ones, never an annotated one
try 0 $BIN prepare $gen --classes "$D/names" --choose 5 --from 40 --interpreter "$D/i" --out "$D/u"
try 0 $BIN prepare $gen --classes "$D/names" --choose 5 --from 40 --interpreter "$D/i" --out "$D/v" --threads 3 --batch 7
same "$D/u" "$D/v" "threads and batch, with an interpreter"
try 0 $BIN dataset $gen --interpreter "$D/i" --out "$D/data" --count 40
# The most uncertain 20 of the 40 by the dataset's own figures hold the five.
sed 's/.*"seed":\([0-9]*\),"uncertainty":\([0-9.e-]*\),.*/\2 \1/' "$D/data/metadata.jsonl" | LC_ALL=C sort -g -r | head -n 20 | cut -d' ' -f2 >"$D/top"
for f in "$D/u/images/"*; do
    n=$(basename "$f" .png | sed 's/seed0*//')
    grep -qx "${n:-0}" "$D/top" && ok || no "seed $n is not among the most uncertain"
done
try 0 $BIN prepare $gen --classes "$D/names" --choose 37 --from 37 --interpreter "$D/i" --out "$D/w"
lacks "$D/w/images/seed0001.png" "$D/w/images/seed0002.png" "$D/w/images/seed0003.png"; holds "$D/w/images/seed0000.png" "$D/w/images/seed0039.png"

# ---- wrong use
try 2 $BIN prepare $gen --classes "$D/names" --out "$D/x"; says "--seeds or --choose"
try 2 $BIN prepare $gen --classes "$D/names" --out "$D/x" --seeds 1 --choose 2; says "--seeds"
try 2 $BIN prepare $gen --classes "$D/names" --out "$D/x" --choose 9 --from 8; says "at most the 8"
try 2 $BIN prepare $gen --classes "$D/names" --out "$D/x" --choose 9 --from 10 --first-seed 4294967295; says "there are no 10 seeds"
echo one >"$D/one"
try 1 $BIN prepare $gen --classes "$D/one" --out "$D/x" --seeds 1; says "class names"
try 1 $BIN prepare $gen --classes "$D/none" --out "$D/x" --seeds 1
try 1 $BIN prepare $gen --classes "$D/names" --out "$D/set" --seeds 1; says "not of the kind"
printf 'a\nb:c\n' >"$D/colon"
try 2 $BIN prepare $gen --classes "$D/colon" --out "$D/x" --seeds 1; says "no ':'"
lacks "$D/x" "$D/x.tmp"
done_testing
