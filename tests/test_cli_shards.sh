#!/bin/sh
# Shards, merge and verify: the parts of a run joined have the bytes of the run; what does not belong together, is damaged, missing or
# too much is found.  And samples that are drawn otherwise, each by its own seed.
. tests/cli_lib.sh
in_memory
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/i"
run="$BIN dataset --generator $TINY --interpreter $D/i --threads 1"
vary="--psi-to 0.9 --mix 0.5 --augment 0.2"
try 0 $run --out "$D/whole" --count 210 $vary; prints "210 samples to make: about "; prints "uncertainty: mean "; prints "pixels: left "
for k in 1 2 3 4; do
    try 0 $run --out "$D/s$k" --count 210 $vary --shard $k/4 --batch $((k + 1))
    try 0 $BIN verify "$D/s$k"; prints " 0 problems"
done
[ "$(cat "$D"/s?/metadata.jsonl | wc -l)" -eq 210 ] && ok || no "210 lines in four shards"

# ---- merge
try 0 $BIN merge --out "$D/merged" "$D/s3" "$D/s1" "$D/s4" "$D/s2"; prints "210 samples of 4 shards"; quiet
same "$D/merged" "$D/whole" "merged shards are the unsharded run"
try 0 $BIN merge --out "$D/merged" "$D/s1" "$D/s2" "$D/s3" "$D/s4"; prints "there already"
try 0 $run --out "$D/merged" --count 230 $vary; prints " 20 of them made now"
try 1 $BIN merge --out "$D/merged" "$D/s1" "$D/s2" "$D/s3" "$D/s4"; says "230 of the 210 samples"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/s3"; says "2 of 4 shards are missing: 2, 4"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/s3" "$D/s2" "$D/s4" "$D/s3"; says "shard 3/4 is in"
cp -r "$D/s3" "$D/copy"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/s3" "$D/s2" "$D/copy"; says "too"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/whole"; says "no shard"
try 0 $run --out "$D/other" --count 210 --shard 2/4
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/other" "$D/s3" "$D/s4"; says "settings.vary."
try 0 $run --out "$D/three" --count 210 $vary --shard 2/3
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/three" "$D/s3" "$D/s4"; says "2/3"
sed 's/"zlib": "/"zlib": "0./' "$D/s2/run.json" >"$D/copy.json"
rm -rf "$D/copy"
cp -r "$D/s2" "$D/copy"
cp "$D/copy.json" "$D/copy/run.json"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/copy" "$D/s3" "$D/s4"; says "program.zlib"
rm -rf "$D/copy"
cp -r "$D/s2" "$D/copy"
sed -i 7d "$D/copy/metadata.jsonl"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/copy" "$D/s3" "$D/s4"; says "lists 52 samples, expected 53"
rm "$D/copy/index.html"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/copy" "$D/s3" "$D/s4"; says "has not ended"
rm -rf "$D/copy"
cp -r "$D/s2" "$D/copy"
name=$(ls "$D/copy/images" | sed -n 5p)
cp "$D/copy/images/$(ls "$D/copy/images" | sed -n 6p)" "$D/copy/images/$name"
try 1 $BIN merge --out "$D/m" "$D/s1" "$D/copy" "$D/s3" "$D/s4"; says "is not the one that was listed"
lacks "$D/m" "$D/m.tmp"
try 2 $BIN merge --out "$D/m"; try 2 $run --out "$D/m" --count 5 --shard 3; says "expected I/N"
for bad in 0/3 4/3 1/0 /3 1/ 1/3x -1/3 1/6; do try 2 $run --out "$D/m" --count 5 --shard $bad; says "shard"; done
try 1 $run --out "$D/s1" --count 211 $vary --shard 1/4; says "shard.count is 210 there, 211 in this command"
try 1 $run --out "$D/s1" --count 210 $vary --shard 2/4; says "shard.index"
try 1 $run --out "$D/s1" --count 210 $vary; says "shard is"
try 1 $run --out "$D/s1" --count 210 --psi-to 0.8 --shard 1/4; says "settings.vary."

# ---- merge is resumed
$BIN merge --out "$D/killed" "$D/s1" "$D/s2" "$D/s3" "$D/s4" >/dev/null 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ "$(ls "$D/killed.tmp/labels" 2>/dev/null | wc -l)" -lt 60 ]; do :; done
kill -TERM $pid
wait $pid
got=$?
[ $got -eq 130 ] || [ $got -eq 0 ] && ok || no "SIGTERM to merge: $got"
if [ $got -eq 130 ]; then
    lacks "$D/killed"
    kept=$(find "$D/killed.tmp" -name '*1.png' | LC_ALL=C sort | head -n 1)
    before=$(stat -c %i "$kept")
    try 0 $BIN merge --out "$D/killed" "$D/s1" "$D/s2" "$D/s3" "$D/s4"
    [ "$before" = "$(stat -c %i "$(echo "$kept" | sed 's|killed.tmp|killed|')")" ] && ok || no "a file that was there was written again"
fi
same "$D/killed" "$D/whole" "a merge that was stopped"

# ---- verify: what was damaged is named, everything else is not
verify() { rm -rf "$D/copy"; cp -r "$D/s1" "$D/copy"; }
check() { want=$1; shift; try "$want" $BIN verify "$D/copy" "$@"; }
try 0 $BIN verify "$D/whole" --pixels; prints "210 samples"; prints " 0 problems"; quiet
verify; printf x >>"$D/copy/images/0000000004.png"; check 3; prints "images/0000000004.png: sha256"; prints " 1 problems"; check 0 --pixels
verify; cp "$D/copy/labels/0000000005.png" "$D/copy/labels/0000000004.png"; check 3; prints "labels/0000000004.png"; check 3 --pixels; prints "seed 4: picture or label"
verify; rm "$D/copy/labels/0000000006.png"; check 3; prints "labels/0000000006.png: open"; check 3 --pixels; prints "labels/0000000006.png: open"
verify; cp "$D/copy/images/0000000006.png" "$D/copy/images/0000099999.png"; check 3; prints "0000099999.png: no line"
verify; touch "$D/copy/images/note"; check 3; prints "note: no line"
verify; sed -i 5d "$D/copy/metadata.jsonl"; check 3; prints "line 5: expected seed"; prints "lists 51 samples"
verify; sed -i '3s/"left":\([0-9]*\)/"left":1\1/' "$D/copy/metadata.jsonl"; check 0; check 3 --pixels; prints "'left' has"
verify; sed -i '3s/"seed":/"sed":/' "$D/copy/metadata.jsonl"; check 1; says "line 3"
verify; rm "$D/copy/index.html"; check 0; says "has not ended"
try 0 $BIN filter --dataset "$D/s1" --out "$D/view"; try 0 $BIN verify "$D/view"
try 2 $BIN verify "$D/none"
try 2 $BIN verify

# ---- samples drawn otherwise: recorded, by seed, within their ranges
key() { sed "s/.*\"$1\":\([-0-9.e]*\)[,}].*/\1/" "$D/whole/metadata.jsonl"; }
key psi | awk '$1 < 0.7 || $1 > 0.9 { bad = 1 } { s += $1 } END { exit bad || s / NR < 0.78 || s / NR > 0.82 }' && ok || no "psi from 0.7 to 0.9"
for k in brightness contrast saturation gamma; do
    key $k | awk '$1 < 0.8 || $1 > 1.2 { bad = 1 } { s += $1 } END { exit bad || s / NR < 0.97 || s / NR > 1.03 }' && ok || no "$k from 0.8 to 1.2"
done
mixed=$(grep -c '"mix":{"seed":' "$D/whole/metadata.jsonl")
[ "$mixed" -gt 75 ] && [ "$mixed" -lt 135 ] && [ $((mixed + $(grep -c '"mix":null' "$D/whole/metadata.jsonl"))) -eq 210 ] && ok || no "$mixed of 210 are mixed"
for options in "--psi-to 0.9" "--mix 1" "--augment 0.3"; do
    try 0 $run --out "$D/one" --count 12 $options
    try 0 $run --out "$D/two" --count 4 $options --first-seed 10
    sed -n 1,4p "$D/two/metadata.jsonl" >"$D/a"; grep -F "$(sed 's/.*\("seed":[0-9]*,\).*/\1/' "$D/two/metadata.jsonl")" "$D/one/metadata.jsonl" >"$D/b"
    [ -s "$D/b" ] && [ "$(grep -cFf "$D/b" "$D/a")" -eq "$(wc -l <"$D/b")" ] && ok || no "$options: a sample depends on its seed alone"
    try 0 $BIN verify "$D/one" --pixels
    rm -rf "$D/one" "$D/two"
done
# By hand: psi as recorded, drawn by the plain command.
psi=$(sed -n '1s/.*"psi":\([0-9.]*\).*/\1/p' "$D/whole/metadata.jsonl")
try 0 $run --out "$D/range" --count 1 --psi-to 0.9
try 0 $BIN generate --generator "$TINY" --seeds 0 --psi "$psi" --out "$D/plain"
same "$D/range/images/0000000000.png" "$D/plain/seed0000.png" "the recorded psi draws the picture"

# ---- no room
try 1 env DATASETGAN_FAULT=free:1:SHORT $FAULTY dataset --generator "$TINY" --interpreter "$D/i" --out "$D/room" --count 1000
says "1000 samples need about "; prints "1000 samples to make"; no_temporaries "$D/room"
[ "$(find "$D/room" -name '*.png' | wc -l)" -eq 0 ] && ok || no "something was drawn though there was no room"
try 0 env DATASETGAN_FAULT=free:1:ENOSYS $FAULTY dataset --generator "$TINY" --interpreter "$D/i" --out "$D/room" --count 10
done_testing
