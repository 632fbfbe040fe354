#!/bin/sh
# datasetgan dataset: every option, the same bytes for any batch and thread count, resuming after signals and kills.
. tests/cli_lib.sh
small_task "$D/set"
small_interpreter "$D/i"
small="$BIN dataset --interpreter $D/i"

# ---- the plain command, again, more of it
try 0 $small --out "$D/a" --count 6 --first-seed 40
prints "6 samples in"; prints " 6 of them made now"; quiet; no_temporaries "$D/a"
holds "$D/a/run.json" "$D/a/metadata.jsonl" "$D/a/classes.json" "$D/a/preview.png" "$D/a/index.html" \
    "$D/a/images/0000000040.png" "$D/a/labels/0000000041.png" "$D/a/images/0000000046.png"
lacks "$D/a/images/0000000042.png"                                 # annotated: neither drawn nor counted
[ "$(wc -l <"$D/a/metadata.jsonl")" -eq 6 ] && ok || no "six lines in metadata.jsonl"
for key in file_name mask_file_name seed uncertainty pixels sha256; do
    [ "$(grep -c "\"$key\":" "$D/a/metadata.jsonl")" -eq 6 ] && ok || no "every line has $key"
done
before=$(hash_of "$D/a")
try 0 $small --out "$D/a" --count 6 --first-seed 40; prints " 0 of them made now"
[ "$(hash_of "$D/a")" = "$before" ] && ok || no "a finished run was changed"
try 0 $small --out "$D/a" --count 9 --first-seed 40; prints " 3 of them made now"
try 0 $small --out "$D/nine" --count 9 --first-seed 40 --generator "$BUNDLE/generator.safetensors" --kernels auto
same "$D/a" "$D/nine" "6 samples, then 9, are 9"

# ---- the same bytes for any batch and thread count, under any locale
for batch in 1 3 8; do
    for threads in 1 2; do
        try 0 $small --out "$D/b$batch$threads" --count 9 --first-seed 40 --batch $batch --threads $threads
        same "$D/b$batch$threads" "$D/nine" "batch $batch, threads $threads"
    done
done
if localedef -i de_DE -f UTF-8 "$D/de_DE.UTF-8" >/dev/null 2>&1 || [ -d "$D/de_DE.UTF-8" ]; then
    try 0 env LOCPATH="$D" LC_ALL=de_DE.UTF-8 $small --out "$D/comma" --count 9 --first-seed 40
    same "$D/comma" "$D/nine" "a locale with a decimal comma"
else
    skip "no localedef or no source of de_DE: comma locale"
fi

# ---- drawn otherwise than the annotated pictures: with a warning, never mixed into one folder
for options in "--psi 0.5" "--cutoff 3" "--noise none" "--noise random"; do
    try 1 $small --out "$D/nine" --count 9 --first-seed 40 $options; says "another run"
    rm -rf "$D/other"
    $small --out "$D/other" --count 2 $options >"$D/out" 2>"$D/err" && ok || no "$options"
    says "warning: $(echo "$options" | cut -d' ' -f1,2) replaces"
done
try 1 $small --out "$D/nine" --count 9 --first-seed 41; says "first_seed"
try 1 $small --out "$D/nine" --count 5 --first-seed 40
try 0 $small --out "$D/nine" --count 2 --first-seed 41 --force
try 0 $small --out "$D/fresh" --count 2 --first-seed 41
same "$D/nine" "$D/fresh" "--force leaves the folder as a fresh run"
mkdir -p "$D/foreign/images"
try 1 $small --out "$D/foreign" --count 2; says "no run.json"
try 0 $BIN generate --seeds 1 --out "$D/pictures"
try 1 $small --out "$D/pictures" --count 2; says "run.json"
try 1 $small --out "$D/pictures" --count 2 --force; says "is no dataset run's"
try 2 $small --out "$D/none" --count 0; says "--count"
try 2 $small --out "$D/none" --count 2 --first-seed 4294967295; says "4294967295"
try 2 $BIN dataset --out "$D/none" --count 1; says "--interpreter is required"
lacks "$D/none"

# ---- killed at any moment, the same command ends with the bytes of an uninterrupted run
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/ti"
samples=200 moments="1 130 250 390"
run="$BIN dataset --generator $TINY --interpreter $D/ti --count $samples --threads 1"
try 0 $run --out "$D/whole"
files() { find "$killed" -name '*.png*' 2>/dev/null | wc -l; }
for at in $moments; do
    killed=$D/killed$at
    kill_when $at files "$killed" $run --out "$killed"
    echo "  ok   killed with $(files) files and $(cat "$killed/metadata.jsonl" 2>/dev/null | wc -l) of $samples samples listed"
    try 0 $run --out "$killed"
    same "$killed" "$D/whole" "resumed after a kill at file $at"
done
killed=$D/cut
(exec $run --out "$killed") >"$D/out" 2>"$D/err" &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(files)" -lt 100 ]; do sleep 0.01; done
kill -INT $pid
wait $pid
got=$?
[ $got -eq 130 ] && ok || no "SIGINT: status $got, expected 130"
says "interrupted; to go on: "; no_temporaries "$killed"
sed 's/^interrupted; to go on: //' "$D/err" >"$D/again.sh"
try 0 sh "$D/again.sh"
same "$killed" "$D/whole" "resumed after SIGINT"
printf 'torn' >>"$D/whole/metadata.jsonl"
rm "$D/whole/index.html"
try 0 $run --out "$D/whole"
same "$D/whole" "$D/killed130" "a torn last line is repaired"
try 0 $BIN dataset --help; prints "--first-seed N"
# ---- --export: what export does, again and again the same
tiny_task "$D/xset"
tiny_interpreter "$D/xset/task.json" "$D/xi"
try 0 $BIN dataset --generator "$TINY" --interpreter "$D/xi" --out "$D/x/" --count 5 --export coco; prints "5 samples in $D/x-coco (coco)"
try 0 $BIN export --dataset "$D/x" --format coco --out "$D/x2"; same "$D/x-coco" "$D/x2" "--export coco"
try 0 $BIN dataset --generator "$TINY" --interpreter "$D/xi" --out "$D/x" --count 5 --export coco; prints "there already"
try 1 $BIN dataset --generator "$TINY" --interpreter "$D/xi" --out "$D/x" --count 6 --export coco; says "--force replaces it"
try 2 $BIN dataset --generator "$TINY" --interpreter "$D/xi" --out "$D/y" --count 6 --export coco --shard 1/2; says "--export"
done_testing
