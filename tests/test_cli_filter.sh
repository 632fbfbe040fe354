#!/bin/sh
# datasetgan filter: the most uncertain samples leave, the rest is untouched, the dataset too.
. tests/cli_lib.sh
small_task "$D/set"
small_interpreter "$D/i"
try 0 $BIN dataset --interpreter "$D/i" --out "$D/d" --count 20
before=$(hash_of "$D/d")

# ---- the plain command: two of twenty, found here with sort
try 0 $BIN filter --dataset "$D/d" --out "$D/v"; prints "18 of 20 samples"; prints "0 for their classes, 2 for their uncertainty"; quiet; no_temporaries "$D/v"
sed 's/.*"seed":\([0-9]*\),"uncertainty":\([^,]*\),.*/\2 \1/' "$D/d/metadata.jsonl" | LC_ALL=C sort -g >"$D/ranked"
head -n 18 "$D/ranked" | cut -d' ' -f2 | sort -n >"$D/expected"
sed 's/.*"seed":\([0-9]*\),.*/\1/' "$D/v/metadata.jsonl" >"$D/kept"
same "$D/kept" "$D/expected" "the 18 least uncertain, in order of seeds"
while read -r seed; do
    key=$(printf %010d "$seed")
    same "$D/v/images/$key.png" "$D/d/images/$key.png" "picture"
    same "$D/v/labels/$key.png" "$D/d/labels/$key.png" "label"
    grep "\"seed\":$seed," "$D/d/metadata.jsonl" >>"$D/lines"
done <"$D/kept"
same "$D/v/metadata.jsonl" "$D/lines" "lines are copied"
same "$D/v/classes.json" "$D/d/classes.json" "classes.json"
[ "$(ls "$D/v/images" "$D/v/labels" | grep -c png)" -eq 36 ] && ok || no "files of the kept samples only"
prints "$(printf 'highest uncertainty kept %.6g' "$(sed -n '18s/ .*//p' "$D/ranked")")"

# ---- again, otherwise, none, nearly all
try 0 $BIN filter --dataset "$D/d" --out "$D/v"; prints "there already"
try 1 $BIN filter --dataset "$D/d" --out "$D/v" --drop 0.5; says "--force replaces it"
try 0 $BIN filter --dataset "$D/d" --out "$D/v" --drop 0.5 --force; prints "10 of 20"
try 0 $BIN filter --dataset "$D/d" --out "$D/half" --drop 0.5; same "$D/v" "$D/half" "--force leaves a fresh view"
try 0 $BIN filter --dataset "$D/d" --out "$D/all" --drop 0; same "$D/all/metadata.jsonl" "$D/d/metadata.jsonl" "--drop 0"
try 0 $BIN filter --dataset "$D/d" --out "$D/one" --drop 0.95; prints "1 of 20"
[ "$(sed 's/.*"seed":\([0-9]*\),.*/\1/' "$D/one/metadata.jsonl")" = "$(sed -n '1s/.* //p' "$D/ranked")" ] && ok || no "the one kept is the most certain"
try 2 $BIN filter --dataset "$D/d" --out "$D/none" --drop 0.99; says "none of the 20"
try 2 $BIN filter --dataset "$D/d" --out "$D/none" --drop 1; says "drop"
try 2 $BIN filter --dataset "$D/d" --out "$D/none" --drop 1.5; says "--drop"
try 2 $BIN filter --dataset "$D/d" --out "$D/none" --drop -0.1

# ---- other scores
for score in mean sum; do
    sed 's/.*"seed":\([0-9]*\),.*"uncertainty_mean":\([^,]*\),.*/\2 \1/' "$D/d/metadata.jsonl" | LC_ALL=C sort -g | head -n 14 | cut -d' ' -f2 | sort -n >"$D/expected"
    try 0 $BIN filter --dataset "$D/d" --out "$D/$score" --drop 0.3 --score $score; prints "14 of 20"; prints "highest $score kept"
    sed 's/.*"seed":\([0-9]*\),.*/\1/' "$D/$score/metadata.jsonl" >"$D/kept"
    same "$D/kept" "$D/expected" "the 14 of the lowest $score"
done
grep -q '"score": "sum"' "$D/sum/run.json" && ok || no "run.json names the score"
differ "$D/mean/run.json" "$D/sum/run.json" "two scores, two records"
try 2 $BIN filter --dataset "$D/d" --out "$D/none" --score best; says "top10"
cp -r "$D/d" "$D/old"
sed -i 's/"uncertainty_mean":[^,]*,//' "$D/old/metadata.jsonl"
try 1 $BIN filter --dataset "$D/old" --out "$D/none" --score mean; says "line 1: no uncertainty_mean"
try 0 $BIN filter --dataset "$D/old" --out "$D/oldview"

# ---- stopped and begun again: what was copied is not copied again
env DATASETGAN_FAULT=rename:9:KILL $FAULTY filter --dataset "$D/d" --out "$D/again" --drop 0.5 >/dev/null 2>&1
[ $? -eq 137 ] && ok || no "not killed"
lacks "$D/again"
kept=$(find "$D/again.tmp/images" -name '*.png' | head -n 1)
inode=$(stat -c %i "$kept")
try 0 $BIN filter --dataset "$D/d" --out "$D/again" --drop 0.5
[ "$inode" = "$(stat -c %i "$(echo "$kept" | sed 's|again.tmp|again|')")" ] && ok || no "a file that was there was written again"
same "$D/again" "$D/v" "a view that was killed on the way"

# ---- classes
pixels() { sed "s/.*\"$1\":\([0-9]*\)[,}].*/\1/" "$D/d/metadata.jsonl"; }
n=$(pixels "red blood cell" | sort -n | sed -n 10p)
rest=$(pixels "red blood cell" | awk -v n="$n" '$1 >= n' | wc -l)
try 0 $BIN filter --dataset "$D/d" --out "$D/red" --drop 0 --min-pixels "red blood cell=$n"; prints "$rest of 20 samples"; prints "$((20 - rest)) for their classes, 0"
try 0 $BIN filter --dataset "$D/d" --out "$D/both" --drop 0.5 --min-pixels "background=1,red blood cell=$n"
[ "$(wc -l <"$D/both/metadata.jsonl")" -eq $((rest - (rest + 1) / 2)) ] && ok || no "half of what the classes leave"
for bad in nucleus nucleus= nucleus=x =3 nucleus=99999999999999999999 cell=1 "nucleus=1,,"; do
    try 2 $BIN filter --dataset "$D/d" --out "$D/none" --min-pixels "$bad"; says "min-pixels"
done

# ---- a view is a dataset to filter and export, and no run to go on with
try 0 $BIN export --dataset "$D/v" --format coco --out "$D/coco"; prints "10 samples"; quiet
try 0 $BIN filter --dataset "$D/all" --out "$D/v2" --drop 0.5; same "$D/v2/metadata.jsonl" "$D/v/metadata.jsonl" "a view of a view"
try 1 $BIN dataset --interpreter "$D/i" --out "$D/v" --count 20; says "another run"
try 1 $BIN dataset --interpreter "$D/i" --out "$D/v" --count 20 --force; says "no dataset run's"
try 1 $BIN filter --dataset "$D/d" --out "$D/d" --force; says "not of the kind 'dataset view'"
try 1 $BIN filter --dataset "$D/v" --out "$D/v"
[ "$(hash_of "$D/d")" = "$before" ] && ok || no "the dataset was changed"
lacks "$D/none" "$D/none.tmp"
done_testing
