#!/bin/sh
# datasetgan label: the files of chosen pictures; picture, label and line are a dataset's.
. tests/cli_lib.sh
small_task "$D/set"
small_interpreter "$D/i"
try 0 $BIN dataset --interpreter "$D/i" --out "$D/d" --count 6
try 0 $BIN label --interpreter "$D/i" --seeds 4,0,3 --out "$D/l"; prints "3 pictures in"; quiet; no_temporaries "$D/l"
for seed in 0000000004 0000000000 0000000003; do
    same "$D/l/images/$seed.png" "$D/d/images/$seed.png" "picture $seed"
    same "$D/l/labels/$seed.png" "$D/d/labels/$seed.png" "label $seed"
    grep "images/$seed.png" "$D/d/metadata.jsonl" >>"$D/lines"
    [ "$(head -c 6 "$D/l/uncertainty/$seed.npy" | od -An -tx1 | tr -d ' ')" = 934e554d5059 ] && ok || no "an npy file"
    [ "$(wc -c <"$D/l/uncertainty/$seed.npy")" -eq $((128 + 4 * 128 * 128)) ] && ok || no "128 x 128 floats"
    holds "$D/l/heat/$seed.png" "$D/l/overlays/$seed.png"
done
same "$D/l/metadata.jsonl" "$D/lines" "lines, in the order of the seeds given"
same "$D/l/classes.json" "$D/d/classes.json" "classes.json"
differ "$D/l/heat/0000000004.png" "$D/l/heat/0000000003.png" "heat maps"
[ "$(ls "$D/l/images" "$D/l/overlays" "$D/l/heat" | grep -c png)" -eq 9 ] && ok || no "three of each"

# ---- the same bytes for any batch and thread count; again; otherwise
try 0 $BIN label --interpreter "$D/i" --seeds 4,0,3 --out "$D/l"; prints "there already"
for batch in 1 2 8; do
    try 0 $BIN label --interpreter "$D/i" --seeds 4,0,3 --out "$D/b$batch" --batch $batch --threads $((batch % 3 + 1))
    same "$D/b$batch" "$D/l" "batch $batch"
done
try 1 $BIN label --interpreter "$D/i" --seeds 4 --out "$D/l"; says "--force replaces it"
try 1 $BIN label --interpreter "$D/i" --seeds 4 --out "$D/d" --force; says "not of the kind 'label run'"
try 0 $BIN label --interpreter "$D/i" --seeds 4 --out "$D/l" --force; prints "1 pictures"
$BIN label --interpreter "$D/i" --seeds 4 --out "$D/psi" --psi 0.2 >"$D/out" 2>"$D/err" && ok || no "--psi"
says "warning: --psi 0.2"; differ "$D/psi/images/0000000004.png" "$D/l/images/0000000004.png" "psi"
try 1 $BIN label --interpreter "$D/none" --seeds 4 --out "$D/x"
try 2 $BIN label --interpreter "$D/i" --out "$D/x"; says "--seeds"
lacks "$D/x" "$D/x.tmp"

# ---- latents: the seeds' own give the seeds' pictures; what is asked for besides; the vote
try 0 $BIN generate --seeds 4,0,3 --out "$D/g" --save-w "$D/w.npy"
try 0 $BIN label --interpreter "$D/i" --latents "$D/w.npy" --space w+ --out "$D/lw" --probabilities --batch 2; prints "3 pictures in"
row=0
for seed in 0000000004 0000000000 0000000003; do
    same "$D/lw/images/000000000$row.png" "$D/b1/images/$seed.png" "picture of row $row"
    same "$D/lw/labels/000000000$row.png" "$D/b1/labels/$seed.png" "label of row $row"
    row=$((row + 1))
done
[ "$(wc -c <"$D/lw/probabilities/0000000002.npy")" -eq $((128 + 2 * 4 * 128 * 128)) ] && ok || no "4 x 128 x 128 halves"
grep -q '"space": "w+"' "$D/lw/run.json" && grep -q '"probabilities": true' "$D/lw/run.json" && ok || no "run.json of latents"
try 0 $BIN label --interpreter "$D/i" --latents "$D/w.npy" --space w+ --out "$D/lw" --probabilities; prints "there already"
try 1 $BIN label --interpreter "$D/i" --latents "$D/w.npy" --space w --out "$D/x"; says "the generator's w, found 3 sizes"
try 1 $BIN label --interpreter "$D/i" --latents "$D/i" --space w --out "$D/x"
try 2 $BIN label --interpreter "$D/i" --latents "$D/w.npy" --seeds 4 --out "$D/x"; says "not both"
try 2 $BIN label --interpreter "$D/i" --space z --seeds 4 --out "$D/x"; says "go with --latents"
try 0 $BIN label --interpreter "$D/i" --seeds 4,0,3 --vote mean --out "$D/mean"
differ "$D/mean/labels" "$D/b1/labels" "--vote mean"; same "$D/mean/uncertainty" "$D/b1/uncertainty" "the vote changes no uncertainty"
try 0 $BIN dataset --interpreter "$D/i" --out "$D/dm" --count 1 --first-seed 4 --vote mean
same "$D/dm/labels/0000000004.png" "$D/mean/labels/0000000004.png" "dataset --vote mean"
grep -q '"vote": "mean"' "$D/dm/run.json" && ok || no "run.json names the vote"
try 1 $BIN dataset --interpreter "$D/i" --out "$D/dm" --count 1 --first-seed 4; says "vote"

# bf16: what it changes is said, the labels are its own, a run's record names it.
try 0 $BIN label --interpreter "$D/i" --seeds 4,0,3 --precision bf16 --out "$D/half"; prints "bf16: of picture 4, "; prints "labels differ from fp32's"
differ "$D/half/uncertainty" "$D/b1/uncertainty" "--precision bf16"; same "$D/half/images" "$D/b1/images" "bf16 draws the same pictures"
grep -q '"precision": "bf16"' "$D/half/run.json" && ok || no "run.json of label names the precision"
try 0 $BIN dataset --interpreter "$D/i" --out "$D/dh" --count 1 --first-seed 4 --precision bf16; prints "bf16: of picture 4, "
same "$D/dh/labels/0000000004.png" "$D/half/labels/0000000004.png" "dataset --precision bf16"
grep -q '"precision": "bf16"' "$D/dh/run.json" && ok || no "run.json names the precision"
try 1 $BIN dataset --interpreter "$D/i" --out "$D/dh" --count 1 --first-seed 4; says "precision"
try 0 $BIN label --interpreter "$D/i" --seeds 4,0,3 --precision fp32 --out "$D/b1"; prints "there already"
try 2 $BIN label --interpreter "$D/i" --seeds 4 --precision bf17 --out "$D/x"; says "fp32"
lacks "$D/x" "$D/x.tmp"
done_testing
