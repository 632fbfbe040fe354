#!/bin/sh
# datasetgan eval: an interpreter on annotated pictures, and two folders of label maps.
. tests/cli_lib.sh
small_task "$D/set"
task=$D/set/task.json
small_interpreter "$D/i"

# ---- an interpreter
eval="$BIN eval --task $task --interpreter $D/i"
try 0 $eval
prints "background"; prints "mIoU"; prints "pixel accuracy"; prints "pixels          16384"; quiet
try 0 $eval --split train --json "$D/train.json" --generator "$BUNDLE/generator.safetensors" --kernels auto --threads 1
prints "pixels          32768"
try 0 $eval --split train --vote mean --json "$D/vote.json"
grep -q '"vote": "mean"' "$D/vote.json" && ok || no "the vote is recorded"
! grep -q vote "$D/train.json" && ok || no "a vote nobody asked for"
try 0 $eval --split train --precision bf16 --json "$D/half.json"; prints "bf16: of picture 0, "
grep -q '"precision": "bf16"' "$D/half.json" && ok || no "the precision is recorded"
grep -q '"split": "train"' "$D/train.json" && ok || no "the split is recorded"
before=$(hash_of "$D/train.json")
try 0 $eval --split train --json "$D/train.json" --threads 2
[ "$(hash_of "$D/train.json")" = "$before" ] && ok || no "the same scores changed the file"
try 1 $eval --json "$D/train.json"; says "train.json exists"
try 0 $eval --json "$D/train.json" --force
[ "$(hash_of "$D/train.json")" != "$before" ] && ok || no "--force"
try 0 $eval --calibration "$D/c.html"; prints "calibration: expected error 0."
try 0 $eval --calibration "$D/c.json" --threads 2; grep -q '"ece": 0.' "$D/c.json" && ok || no "the calibration's JSON"
grep -q "annotated pixels. Expected calibration error" "$D/c.html" && ok || no "the calibration's page"
before=$(hash_of "$D/c.html"); try 0 $eval --calibration "$D/c.html"; [ "$(hash_of "$D/c.html")" = "$before" ] && ok || no "the same page again"
try 1 $eval --split train --calibration "$D/c.html"; says "c.html exists"
try 2 $eval --calibration "$D/c.txt"; says "ends with .html or .json"
try 2 $eval --split nosuch; says "nosuch"
$eval --psi 0.5 >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "pictures of another psi: exit 3"
says "warning: --psi 0.5 replaces 0.7"
$eval --cutoff 1 --noise none >"$D/out" 2>"$D/err"; [ $? -eq 3 ] && ok || no "pictures of another cutoff: exit 3"
says "warning: --cutoff 1 replaces all layers"; says "warning: --noise none replaces const"

# ---- two folders: equal ones, a class that is nowhere, void, the suffix, views
mkdir "$D/p" "$D/t"
cp "$D/set/labels/"* "$D/p"
try 0 $BIN eval --pred "$D/p" --truth "$D/set/labels" --task "$task"
prints "mIoU            1.0000"; prints "pixel accuracy  1.0000"; prints "pixels          49152"
for f in "$D/p/"*.png; do cp "$f" "$D/t/$(basename "$f" .png)_label.png"; done
try 0 $BIN eval --pred "$D/p" --truth "$D/t" --task "$task"; prints "mIoU            1.0000"
try 0 $BIN eval --pred "$D/p" --truth "$D/t"; prints "mIoU            1.0000"                      # the bundled task
mkdir "$D/p1" "$D/t1"
one_colour 128x0 >"$D/p1/a.png"; one_colour 128x0 >"$D/t1/a.png"; one_colour 128x0 >"$D/p1/b.png"; one_colour 128x255 >"$D/t1/b.png"
try 0 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task" --json "$D/one.json"
prints "background      1.0000"; prints "nucleus         absent"; prints "mIoU            1.0000  (mean over 1 classes"; prints "pixels          16384"
grep -q '"iou": null' "$D/one.json" && ok || no "an absent class is null"
try 0 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task" --metric official
prints "nucleus         0.0000"; prints "mIoU            0.2500  (official"
try 0 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task" --metric standard; prints "mIoU            1.0000"
try 0 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task" --view real
prints "cytoplasm       absent"; prints "mIoU            1.0000"
sed 's/"views": {/"views": { "swap": { "classes": ["a", "b", "c", "d"], "map": [1, 0, 2, 3] },/' "$task" >"$D/set/swap.json"
try 0 $BIN eval --pred "$D/p" --truth "$D/t" --task "$D/set/swap.json" --view swap
prints "a               0.0000"; prints "b               0.0000"; prints "c               1.0000"; prints "mIoU            0.5000"

# ---- what does not fit
try 2 $BIN eval --pred "$D/p" --truth "$D/t" --task "$task" --view nosuch; says 'no view "nosuch"'
try 2 $BIN eval --pred "$D/p" --task "$task"; says "--pred and --truth go together"
try 2 $BIN eval --pred "$D/p" --truth "$D/t" --interpreter "$D/i"; says "do not go with them"
try 2 $BIN eval --task "$task"; says "expected --interpreter FILE"
try 2 $eval --view real; says "--view goes with"
one_colour 128x4 >"$D/p1/b.png"
try 1 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task"; says "class id 4"
one_colour 64x1 >"$D/p1/b.png"
try 1 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task"; says "b.png"; says "64"
rm "$D/p1/b.png"
try 2 $BIN eval --pred "$D/p1" --truth "$D/t1" --task "$task"; says "b.png"
try 1 $BIN eval --pred "$D/nosuch" --truth "$D/t1" --task "$task"; says "nosuch"
try 0 $BIN eval --help; prints "--metric standard|official"
done_testing
