#!/bin/sh
# datasetgan export: every format holds the dataset's pixels, equal bytes each time, whole or not at all.  The consumers' own
# libraries judge in tests/export_checks.py (by hand); here the files are taken apart with what a system has.
. tests/cli_lib.sh
small_task "$D/set"
small_interpreter "$D/i"
try 0 $BIN dataset --interpreter "$D/i" --out "$D/d" --count 12
before=$(hash_of "$D/d")
# The label maps of a folder are the dataset's: the four digits that eval prints would round a few wrong pixels away.
every_pixel() {
    try 0 $BIN eval --pred "$1" --truth "$D/d/labels" --json "$D/scores.json" --force
    grep -q '"pixel_accuracy": 1.0,$' "$D/scores.json" && ok || no "$1: some pixels are not the dataset's"
}
keys=$(cd "$D/d/images" && ls | sed 's/\.png$//')

# ---- voc
try 0 $BIN export --dataset "$D/d" --format voc --out "$D/voc" --split 0.75/0.25; prints "12 samples in"; quiet; no_temporaries "$D/voc"
cat "$D/voc/ImageSets/Segmentation/train.txt" "$D/voc/ImageSets/Segmentation/val.txt" >"$D/listed"
[ "$(cat "$D/listed")" = "$keys" ] && ok || no "voc: the splits list every sample once, in order"
[ "$(wc -l <"$D/voc/ImageSets/Segmentation/train.txt")" -eq 9 ] && ok || no "voc: 9 of 12 train"
same "$D/voc/JPEGImages" "$D/d/images" "voc: pictures"
every_pixel "$D/voc/SegmentationClass"
[ "$(ls "$D/voc/SegmentationClass" | wc -l)" -eq 12 ] && ok || no "voc: 12 label maps"
printf 'background:0,0,0::\nred blood cell:128,0,0::\ncytoplasm:0,128,0::\nnucleus:128,128,0::\n' >"$D/labelmap"
same "$D/voc/labelmap.txt" "$D/labelmap" "voc: labelmap.txt"

# ---- hf
try 0 $BIN export --dataset "$D/d" --format hf --out "$D/hf" --split 0.5/0.25/0.25
cat "$D/hf/train/metadata.jsonl" "$D/hf/val/metadata.jsonl" "$D/hf/test/metadata.jsonl" >"$D/listed"
same "$D/listed" "$D/d/metadata.jsonl" "hf: every line once, in order"
mkdir "$D/joined"
for folder in images labels; do
    for split in train val test; do cp "$D/hf/$split/$folder/"* "$D/joined"; done
    same "$D/joined" "$D/d/$folder" "hf: $folder"
    rm "$D/joined"/*
done

# ---- webdataset
try 0 $BIN export --dataset "$D/d" --format webdataset --out "$D/wds"
holds "$D/wds/train/train-000000.tar"; lacks "$D/wds/val" "$D/wds/train/train-000001.tar"
mkdir "$D/tar"
(cd "$D/tar" && tar xf "$D/wds/train/train-000000.tar") && ok || no "tar cannot read the shard"
tar tvf "$D/wds/train/train-000000.tar" --utc | grep -qv '1970-01-01' && no "tar: a time" || ok
for key in $keys; do
    same "$D/tar/$key.png" "$D/d/images/$key.png" "tar: picture"
    same "$D/tar/$key.mask.png" "$D/d/labels/$key.png" "tar: label"
    holds "$D/tar/$key.json"
done
[ "$(tar tf "$D/wds/train/train-000000.tar" | head -n 3 | tr '\n' ' ')" = "0000000000.png 0000000000.mask.png 0000000000.json " ] && ok || no "tar: order"
grep -q '^{"seed":0,"uncertainty":[0-9.e-]*,"uncertainty_mean":[0-9.e-]*,"pixels":{.*},"sha256":"[0-9a-f]*","file_sha256":"[0-9a-f]*","mask_sha256":"[0-9a-f]*"}$' "$D/tar/0000000000.json" && ok || no "tar: json"

# ---- yolo-seg (pixels: test_outline)
try 0 $BIN export --dataset "$D/d" --format yolo-seg --out "$D/yolo" --split 0.75/0.25
printf 'train: images/train\nval: images/val\nnames:\n  0: "red blood cell"\n  1: "cytoplasm"\n  2: "nucleus"\n' >"$D/yaml"
same "$D/yolo/data.yaml" "$D/yaml" "yolo: data.yaml"
[ "$(ls "$D/yolo/labels/train" | wc -l)" -eq 9 ] && [ "$(ls "$D/yolo/labels/val" | wc -l)" -eq 3 ] && ok || no "yolo: a file a picture"
[ "$(cat "$D/yolo/labels/"*/*.txt | grep -vcE '^[0-2]( (0|1)\.[0-9]{7} (0|1)\.[0-9]{7}){3,}$')" -eq 0 ] && ok || no "yolo: lines"
same "$D/yolo/images/train/0000000003.png" "$D/d/images/0000000003.png" "yolo: pictures"

# ---- coco (pixels: test_export)
try 0 $BIN export --dataset "$D/d" --format coco --out "$D/coco" --split 0.75/0.25
holds "$D/coco/train/0000000000.png" "$D/coco/val/0000000011.png" "$D/coco/annotations/instances_val.json"

# ---- coco by parts and polygons, labelme: our own import, which paints as pycocotools and labelme do, gives the labels back
{
    sed '/"items"/,$d' "$D/set/task.json"
    echo '"items": ['
    for key in $keys; do echo "{\"image\": \"d/images/$key.png\", \"label\": \"none/$key.png\", \"seed\": $(echo "$key" | sed 's/^0*\(.\)/\1/'), \"split\": \"train\"},"; done | sed '$s/,$//'
    echo ']}'
} >"$D/back.json"
for form in "" "--parts" "--polygons" "--parts --polygons"; do
    rm -rf "$D/form" "$D/back"
    try 0 $BIN export --dataset "$D/d" --format coco $form --out "$D/form"
    try 0 $BIN import --from coco --in "$D/form/annotations/instances_train.json" --task "$D/back.json" --out "$D/back"; prints "12 imported"
    every_pixel "$D/back/labels"
done
grep -q '"polygons": true' "$D/form/export.json" && ok || no "export.json says what was asked"
try 1 $BIN export --dataset "$D/d" --format coco --out "$D/form"; says "--force replaces it"
try 2 $BIN export --dataset "$D/d" --format voc --parts --out "$D/none"; says "with format coco"
try 0 $BIN export --dataset "$D/d" --format labelme --out "$D/lm"
printf '__ignore__\n_background_\nred blood cell\ncytoplasm\nnucleus\n' >"$D/labels"; same "$D/lm/labels.txt" "$D/labels" "labelme: labels.txt"
same "$D/lm/train/0000000003.png" "$D/d/images/0000000003.png" "labelme: pictures"
rm -rf "$D/back"
try 0 $BIN import --from labelme --in "$D/lm/train" --task "$D/lm/task.json" --out "$D/back"; prints "12 imported"
every_pixel "$D/back/labels"
try 0 $BIN train --task "$D/back/task.json" --out "$D/bi" --members 1 --epochs 0.02 --width1 8 --width2 8        # draws and compares every picture
rm -rf "$D/lm2" "$D/back"
try 0 $BIN filter --dataset "$D/d" --drop 0.25 --out "$D/some"
try 0 $BIN export --dataset "$D/some" --format labelme --split 0.5/0.5 --out "$D/lm2"
try 0 $BIN import --from labelme --in "$D/lm2/val" --task "$D/lm2/task.json" --out "$D/back"; prints "labels: 4 imported, 0 of the task kept; 5 pictures"
try 0 $BIN dataset --interpreter "$D/i" --out "$D/varied" --count 2 --psi-to 0.9
try 0 $BIN export --dataset "$D/varied" --format labelme --out "$D/lm3"; lacks "$D/lm3/task.json"

# ---- only what a filter keeps: the view's own export
try 0 $BIN filter --dataset "$D/d" --drop 0.25 --min-pixels "nucleus=1" --out "$D/view"
for format in voc coco hf; do
    rm -rf "$D/f1" "$D/f2"
    try 0 $BIN export --dataset "$D/d" --format $format --drop 0.25 --min-pixels "nucleus=1" --split 0.5/0.5 --out "$D/f1"; prints "left out: "
    try 0 $BIN export --dataset "$D/view" --format $format --split 0.5/0.5 --out "$D/f2"
    grep -q '"filter"' "$D/f1/export.json" && ok || no "$format: the filter is recorded"
    rm "$D/f1/export.json" "$D/f2/export.json"
    same "$D/f1" "$D/f2" "$format: filtered"
done
try 2 $BIN export --dataset "$D/d" --format voc --drop 1 --out "$D/none"; says "drop"
try 2 $BIN export --dataset "$D/d" --format voc --min-pixels "car=1" --out "$D/none"; says "no class of this name"

# ---- again, otherwise, by force, into what is not ours
for format in voc coco yolo-seg hf webdataset labelme npz; do
    $BIN export --dataset "$D/d" --format $format --out "$D/again" --split 0.75/0.25 >"$D/out" 2>"$D/err" && ok || no "$format again"
    [ $format = voc ] && same "$D/again" "$D/voc" "voc: the same bytes"
    [ $format = coco ] && same "$D/again" "$D/coco" "coco: the same bytes"
    try 0 $BIN export --dataset "$D/d" --format $format --out "$D/again/" --split 0.75/0.25; prints "there already"
    try 1 $BIN export --dataset "$D/d" --format $format --out "$D/again"; says "--force replaces it"
    no_temporaries "$D/again"
    rm -rf "$D/again"
done
cp -r "$D/voc" "$D/again"
try 0 $BIN export --dataset "$D/d" --format coco --out "$D/again" --split 0.75/0.25 --force; same "$D/again" "$D/coco" "--force leaves a fresh export"
echo mine >"$D/again/notes"
try 1 $BIN export --dataset "$D/d" --format voc --out "$D/again" --force; says "'notes'"
try 1 $BIN export --dataset "$D/d" --format voc --out "$D/d"; says "not of the kind 'dataset export'"
try 1 $BIN export --dataset "$D/d" --format voc --out "$D/d" --force
echo x >"$D/file"
try 1 $BIN export --dataset "$D/d" --format voc --out "$D/file"; says "found a file"
mkdir -p "$D/fresh.tmp" "$D/empty"
echo mine >"$D/fresh.tmp/notes"
try 1 $BIN export --dataset "$D/d" --format voc --out "$D/fresh"; says "in the way"; holds "$D/fresh.tmp/notes"; lacks "$D/fresh"
try 0 $BIN export --dataset "$D/d" --format voc --out "$D/empty"
[ "$(hash_of "$D/d")" = "$before" ] && ok || no "the dataset was changed"

# ---- killed at any moment, the same command ends with the same bytes
for at in 1 9 30; do
    killed=$D/killed$at
    files() { find "$killed.tmp" -type f 2>/dev/null | wc -l; }
    "$BIN" export --dataset "$D/d" --format voc --out "$killed" --split 0.75/0.25 >"$D/out" 2>"$D/err" &
    pid=$!
    while kill -0 $pid 2>/dev/null && [ "$(files)" -lt $at ]; do :; done
    kill -9 $pid 2>/dev/null; wait $pid 2>/dev/null
    try 0 $BIN export --dataset "$D/d" --format voc --out "$killed" --split 0.75/0.25
    same "$killed" "$D/voc" "after a kill at file $at"; lacks "$killed.tmp"
done

# ---- datasets that are not what they should be
for bad in 0.9 0.9/0.2 1/0 0.5/0.5/ /1 0.3/0.3/0.3/0.1 x 0.99/0.01 -1/2 0.9,0.1; do
    try 2 $BIN export --dataset "$D/d" --format voc --out "$D/none" --split=$bad; says "split"
done
try 2 $BIN export --dataset "$D/set" --format voc --out "$D/none"; says "no run.json"
try 2 $BIN export --dataset "$D/d" --format pascal --out "$D/none"; says "--format"
cp -r "$D/d" "$D/bad"
cp "$D/bad/labels/0000000001.png" "$D/bad/labels/0000000002.png"
try 1 $BIN export --dataset "$D/bad" --format voc --out "$D/none"; says "seed 2: picture or label is not the one"
rm "$D/bad/images/0000000001.png"
try 1 $BIN export --dataset "$D/bad" --format coco --out "$D/none"; says "0000000001.png"
sed -i '3d' "$D/bad/metadata.jsonl"; sed -i '2{h;d};3{G}' "$D/bad/metadata.jsonl"
try 1 $BIN export --dataset "$D/bad" --format hf --out "$D/none"; says "expected a seed above"
lacks "$D/none" "$D/none.tmp"
rm "$D/d/index.html"
$BIN export --dataset "$D/d" --format voc --out "$D/part" >"$D/out" 2>"$D/err" && ok || no "an unfinished run"
says "warning: $D/d: the run has not ended"
try 0 $BIN export --help; prints "--split PARTS"
done_testing
