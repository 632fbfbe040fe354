#!/bin/sh
# datasetgan import: LabelMe's files give labelme's own label maps (tests/golden/make_labelme.py); all problems at once, nothing half.
. tests/cli_lib.sh
small_task "$D/set"
task=$D/set/task.json
before=$(hash_of "$D/set")
mkdir "$D/lm" "$D/png"
cp tests/golden/labelme/*.json "$D/lm"
cp tests/golden/labelme/*.png "$D/png"

# ---- labelme and png: the same label maps
try 0 $BIN import --from labelme --in "$D/lm" --task "$task" --out "$D/a"; prints "3 imported, 0 of the task kept; 0 pictures"; quiet; no_temporaries "$D/a"
try 0 $BIN import --from png --in "$D/png" --task "$task" --out "$D/b"
same "$D/a/labels" "$D/b/labels" "labelme's own masks"
same "$D/a/images" "$D/set/images" "pictures"
same "$D/a/task.json" "$D/b/task.json" "task.json"
mv "$D/png/seed0042.png" "$D/png/seed0042_label.png"
try 0 $BIN import --from png --in "$D/png" --task "$task" --out "$D/c"; same "$D/c" "$D/b" "STEM_label.png"
grep -q '"split": "test"' "$D/a/task.json" && grep -q '"views"' "$D/a/task.json" && ok || no "splits and unknown keys are kept"

# ---- coco: pycocotools' own masks (tests/golden/make_coco.py), and an export of ours comes back
mkdir "$D/coco"
cp tests/golden/coco/*.png "$D/coco"
try 0 $BIN import --from coco --in tests/golden/coco/instances.json --task "$task" --out "$D/k"; prints "3 imported"; quiet
try 0 $BIN import --from png --in "$D/coco" --task "$task" --out "$D/kp"
same "$D/k/labels" "$D/kp/labels" "pycocotools' own masks"
small_interpreter "$D/it"
try 0 $BIN dataset --interpreter "$D/it" --out "$D/data" --count 4 --first-seed 100
try 0 $BIN export --dataset "$D/data" --format coco --out "$D/exported"
{
    sed '/"items"/,$d' "$task"
    echo '"items": ['
    for seed in 100 101 102 103; do
        echo "{\"image\": \"data/images/0000000$seed.png\", \"label\": \"none.png\", \"seed\": $seed, \"split\": \"train\"}$([ $seed = 103 ] || echo ,)"
    done
    echo ']}'
} >"$D/back.json"
try 0 $BIN import --from coco --in "$D/exported/annotations/instances_train.json" --task "$D/back.json" --out "$D/back"; prints "4 imported"
try 0 $BIN eval --pred "$D/back/labels" --truth "$D/data/labels"; prints "pixel accuracy  1.0000"

# ---- makesense.ai, a browser tool: its COCO has labels.txt as categories, their white space taken out, ids from 0, no other keys
cat >"$D/makesense.json" <<'END'
{"info": {"description": "my-project-name"}, "images": [{"id": 1, "width": 128, "height": 128, "file_name": "seed0042.png"}],
 "annotations": [
  {"id": 0, "iscrowd": 0, "image_id": 1, "category_id": 3, "segmentation": [[10, 10, 60, 10, 60, 60, 10, 60]], "bbox": [10, 10, 50, 50], "area": 2500},
  {"id": 1, "iscrowd": 0, "image_id": 1, "category_id": 2, "segmentation": [[20, 20, 30, 20, 30, 30, 20, 30]], "bbox": [20, 20, 10, 10], "area": 100},
  {"id": 2, "iscrowd": 0, "image_id": 1, "category_id": 1, "segmentation": [[40, 40, 50, 40, 50, 50, 40, 50]], "bbox": [40, 40, 10, 10], "area": 100}],
 "categories": [{"id": 1, "name": "__ignore__"}, {"id": 2, "name": "_background_"}, {"id": 3, "name": "redbloodcell"}, {"id": 4, "name": "cytoplasm"}]}
END
mv "$D/set/labels" "$D/kept"
try 0 $BIN import --from coco --in "$D/makesense.json" --task "$task" --out "$D/ms"; prints "1 imported, 0 of the task kept; 2 pictures"
mv "$D/kept" "$D/set/labels"
# 50 x 50 pixels of red blood cell with a hole of background and one of void, both 10 x 10: 2300 of the 16284 that count.
cat >"$D/all.json" <<'END'
{"images": [{"id": 1, "width": 128, "height": 128, "file_name": "seed0042.png"}], "categories": [{"id": 1, "name": "red blood cell"}],
 "annotations": [{"image_id": 1, "category_id": 1, "segmentation": [[0, 0, 128, 0, 128, 128, 0, 128]]}]}
END
try 0 $BIN import --from coco --in "$D/all.json" --task "$D/ms/task.json" --out "$D/all"
try 0 $BIN eval --pred "$D/all/labels" --truth "$D/ms/labels"; prints "pixel accuracy  0.1412"

# ---- cvat: zip and folder give the bundle's labels; voc: our own export comes back
CVAT=tests/golden/cvat.zip
mv "$D/set/labels" "$D/kept"
try 0 $BIN import --from cvat --in $CVAT --task "$task" --out "$D/cv"; prints "3 imported, 0 of the task kept"; quiet
try 0 $BIN eval --pred "$D/cv/labels" --truth "$D/kept"; prints "pixel accuracy  1.0000"
try 0 $BIN export --dataset "$D/data" --format voc --out "$D/voc"
for from in voc cvat; do
    try 0 $BIN import --from $from --in "$D/voc" --task "$D/back.json" --out "$D/back_$from"; prints "4 imported"
    try 0 $BIN eval --pred "$D/back_$from/labels" --truth "$D/data/labels"; prints "pixel accuracy  1.0000"
done
mv "$D/voc/labelmap.txt" "$D/map"
try 0 $BIN import --from voc --in "$D/voc" --task "$D/back.json" --out "$D/back_ids"; same "$D/back_ids/labels" "$D/back_voc/labels" "voc by ids"
try 1 $BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/f"; says "labelmap.txt, found none"
cp "$D/map" "$D/voc/labelmap.txt"
try 0 $BIN import --from png --in "$D/voc/SegmentationClass" --colours "$D/voc/labelmap.txt" --task "$D/back.json" --out "$D/back_rgb"
same "$D/back_rgb/labels" "$D/back_voc/labels" "png by colours"
try 2 $BIN import --from voc --in "$D/voc" --colours "$D/voc/labelmap.txt" --task "$D/back.json" --out "$D/f"; says "--colours"
# a list without colours stands for VOC's; a class without one among others has no pixels
sed 's/:.*/:::/' "$D/map" >"$D/voc/labelmap.txt"
try 0 $BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/bare_cvat"; same "$D/bare_cvat/labels" "$D/back_cvat/labels" "cvat, no colours"
{ echo 'unused:::'; cat "$D/map"; } >"$D/voc/labelmap.txt"
try 0 $BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/some_cvat"; same "$D/some_cvat/labels" "$D/back_cvat/labels" "cvat, a class without colour"
sed 's/^nucleus:.*/nucleus:::/' "$D/map" >"$D/voc/labelmap.txt"
$BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/f" >"$D/out" 2>"$D/err"; says "colour #808000 at column"; says "4 problems"; lacks "$D/f"
try 0 $BIN import --from voc --in "$D/voc" --task "$D/back.json" --out "$D/some_voc"; same "$D/some_voc/labels" "$D/back_voc/labels" "voc goes by numbers"
cp "$D/map" "$D/voc/labelmap.txt"
# classes that the task lacks matter where a pixel has them; void by its usual names; all problems at once
sed -i 's/^nucleus:/nukleus:/' "$D/voc/labelmap.txt"
$BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/f" >"$D/out" 2>"$D/err"; says '"nukleus" is no class of the task'; says "4 problems; nothing was written"; lacks "$D/f"
sed -i '4d' "$D/voc/labelmap.txt"
$BIN import --from voc --in "$D/voc" --task "$D/back.json" --out "$D/f" >"$D/out" 2>"$D/err"; says "class id 3 at column"; says "4 problems"
$BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/f" >"$D/out" 2>"$D/err"; says "colour #808000 at column"
echo 'ignored:128,128,0::' >>"$D/voc/labelmap.txt"
try 0 $BIN import --from cvat --in "$D/voc" --task "$D/back.json" --out "$D/voided"
try 0 $BIN eval --pred "$D/data/labels" --truth "$D/voided/labels"; prints "pixel accuracy  1.0000"
head -c 4000 $CVAT >"$D/cut.zip"
try 1 $BIN import --from cvat --in "$D/cut.zip" --task "$task" --out "$D/f"; says "cut.zip"
try 1 $BIN import --from cvat --in "$D/set" --task "$task" --out "$D/f"; says "SegmentationClass"
lacks "$D/f" "$D/f.tmp"

# ---- other names, and classes joined
printf 'ground\nred\nplasma***thin\nplasma***core #112233\n' >"$D/names"
try 0 $BIN import --from png --in "$D/kept" --task "$task" --out "$D/named" --classes "$D/names"
grep -q '"name": "plasma\*\*\*core"' "$D/named/task.json" && grep -q '"color": "#112233"' "$D/named/task.json" && ok || no "--classes: names and colours"
grep -q '"level1"' "$D/named/task.json" && ok || no "--classes: a view of the parts"
echo '{"paint": ["cytoplasm", "nucleus"], "rest": ["background"], "__ignore__": ["red blood cell"]}' >"$D/merge.json"
try 0 $BIN import --from png --in "$D/kept" --task "$task" --out "$D/merged" --merge "$D/merge.json"; prints "3 imported"
grep -q '"name": "paint"' "$D/merged/task.json" && ok || no "--merge: names"
grep -q '"nucleus"' "$D/merged/task.json" && no "--merge: the view that keeps the joined classes apart goes" || ok
try 0 $BIN train --task "$D/merged/task.json" --out "$D/mi" --members 1 --epochs 0.02 --width1 8 --width2 8
echo '{"other": ["background", "red blood cell"], "plasma": ["cytoplasm"], "core": ["nucleus"]}' >"$D/merge2.json"
try 0 $BIN import --from png --in "$D/kept" --task "$task" --out "$D/merged2" --merge "$D/merge2.json"
grep -q '"real"' "$D/merged2/task.json" && ok || no "--merge: a view that stays"
for bad in '{"a": ["background", "cytoplasm"], "b": ["nucleus"]}' '{"a": ["background", "cytoplasm", "nucleus"], "b": ["red blood cell", "nucleus"]}' '[]' \
    '{"a": ["background", "cytoplasm", "nucleus", "red blood cell"]}' '{"a": ["background", "car"]}' '{"a": [], "b": ["nucleus"]}'; do
    echo "$bad" >"$D/bad.json"
    try 1 $BIN import --from png --in "$D/kept" --task "$task" --out "$D/f" --merge "$D/bad.json"; says "bad.json: "
done
mv "$D/kept" "$D/set/labels"

# ---- the set is one to train on, from wherever it stands; the generator is found
try 0 $BIN train --task "$D/a/task.json" --out "$D/i" --members 1 --epochs 0.02 --width1 8 --width2 8
(mkdir -p "$D/deep/er" && cd "$D/deep" && "$BIN" import --from labelme --in ../lm --task ../set/task.json --out er/set >/dev/null) && ok || no "relative paths"
cp weights/blood128/generator.safetensors "$D/g"
for place in "$D/g" "$D/set/g" "$D/deep/g"; do
    cp "$D/g" "$place" 2>/dev/null
    sed "s|\"file\": \"[^\"]*\"|\"file\": \"$place\"|" "$D/set/task.json" >"$D/set/moved.json"
    rm -rf "$D/deep/er"
    try 0 $BIN import --from labelme --in "$D/lm" --task "$D/set/moved.json" --out "$D/deep/er"
    way=$(sed -n 's/.*"file": "\([^"]*\)".*/\1/p' "$D/deep/er/task.json")
    [ "$D/deep/er/$way" -ef "$place" ] && ok || no "generator $place is called $way"
    case $way in /*) no "an absolute path: $way" ;; *) ok ;; esac
done
rm "$D/set/moved.json" "$D/set/g"

# ---- some pictures only: the task's own labels stay, pictures without any are left out
mkdir "$D/some"
cp "$D/lm/seed0065.json" "$D/some"
try 0 $BIN import --from labelme --in "$D/some" --task "$task" --out "$D/d"; prints "1 imported, 2 of the task kept; 0 pictures"
same "$D/d/labels/seed0065.png" "$D/a/labels/seed0065.png" "imported"
cp -r "$D/set" "$D/bare"
rm "$D/bare/labels/"*
cp "$D/lm/seed0065.json" "$D/bare"                                  # beside the task itself, which is no label file
try 0 $BIN import --from labelme --in "$D/bare" --task "$D/bare/task.json" --out "$D/e"; prints "1 imported, 0 of the task kept; 2 pictures"
[ "$(grep -c '"seed"' "$D/e/task.json")" -eq 1 ] && ok || no "one item is left"

# ---- again, otherwise, into what is not ours
try 0 $BIN import --from labelme --in "$D/lm" --task "$task" --out "$D/a"; prints "there already"
try 1 $BIN import --from labelme --in "$D/some" --task "$task" --out "$D/a"; says "--force replaces it"
try 0 $BIN import --from labelme --in "$D/some" --task "$task" --out "$D/a" --force; same "$D/a" "$D/d" "--force leaves a fresh set"
try 1 $BIN import --from labelme --in "$D/lm" --task "$task" --out "$D/set" --force; says "not of the kind 'imported annotation set'"
try 1 $BIN import --from labelme --in "$D/none" --task "$task" --out "$D/f"
mkdir "$D/empty"
try 2 $BIN import --from labelme --in "$D/empty" --task "$task" --out "$D/f"; says "no labels"
try 2 $BIN import --from cvet --in "$D/lm" --task "$task" --out "$D/f"; says "--from"
[ "$(hash_of "$D/set")" = "$before" ] && ok || no "the task's folder was changed"

# ---- all problems at once, each with its file and shape
mkdir "$D/bad"
cat >"$D/bad/seed0042.json" <<'END'
{"imageWidth": 128, "imageHeight": 128, "shapes": [
 {"label": "nucleus", "points": [[1, 1], [9, 1], [9, 9]]},
 {"label": "nukleus", "points": [[1, 1], [9, 1], [9, 9]]},
 {"label": "nucleus", "points": [[1, 1], [9, 1]]},
 {"label": "nucleus", "points": [[1, 1], [9, 1, 4], [9, 9]]},
 {"label": "nucleus", "points": [[1, 1], [1e9, 1], [9, 9]]},
 {"label": "nucleus", "points": [[1, 1], [9, 1], [4, 4]], "shape_type": "circle"},
 {"label": "nucleus", "points": [[1, 1]], "shape_type": "rectangle"},
 {"label": "nucleus", "points": [[1, 1], [9, 9]], "shape_type": "mask"},
 {"label": "nucleus", "points": [[1, 1], [9, 9]], "shape_type": "mask", "mask": "!!!!"},
 {"label": "nucleus", "points": [[1, 1], [9, 9]], "shape_type": "mask", "mask": "AAAA"},
 {"label": "nucleus", "points": [[1, 1], [9, 9]], "shape_type": "mask", "mask": "iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAKUlEQVR42u3MQREAAAwCIO1f2hD77SAA6VEEAoFAIBAIBAKBQCAQfA8GF94QAZxkGSgAAAAASUVORK5CYII="},
 {"label": "nucleus"},
 7]}
END
echo '{"imageWidth": 127, "shapes": []}' >"$D/bad/seed0065.json"
echo '{"shapes": [' >"$D/bad/seed1000.json"
echo '{}' >"$D/bad/other.json"
$BIN import --from labelme --in "$D/bad" --task "$task" --out "$D/f" >"$D/out" 2>"$D/err"
[ $? -eq 1 ] && ok || no "problems: status"
[ "$(wc -l <"$D/err")" -eq 16 ] && ok || no "15 problems and a total, found $(wc -l <"$D/err") lines"
says "15 problems; nothing was written"
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do says "seed0042.json: shapes[$n]"; done
grep -qF "shapes[0]" "$D/err" && no "shapes[0] is fine" || ok
says 'shapes[1].label: expected a class of the task, _background_ or __ignore__, found "nukleus"'
says "64 x 64 pixels in the box 1,1 to 9,9 of a picture of 128 x 128"
says "seed0065.json: imageWidth: expected 128, as the picture, found 127"; says "seed1000.json: line"; says "other.json: $task has no picture of this name"
lacks "$D/f" "$D/f.tmp"
mkdir "$D/bad2"
one_colour 128x4 >"$D/bad2/seed0042.png"
one_colour 64x1 >"$D/bad2/seed0065.png"
cp "$D/set/images/seed1000.png" "$D/bad2/seed1000.png"
cp "$D/png/seed1000.png" "$D/bad2/seed1000_label.png"
$BIN import --from png --in "$D/bad2" --task "$task" --out "$D/f" >"$D/out" 2>"$D/err"
says "class id 4 at column 0, row 0"; says "expected 128 x 128 as the picture"; says "'seed1000' has labels in two files"; says "4 problems"; lacks "$D/f"
cat >"$D/bad.json" <<'END'
{"images": [{"id": 1, "file_name": "seed0042.png", "width": 128, "height": 128}, {"id": 2, "file_name": "other.png", "width": 128, "height": 128},
            {"id": 3, "file_name": "seed0065.png", "width": 64, "height": 128}, {"id": 4, "file_name": "seed0042.jpg", "width": 128, "height": 128}],
 "categories": [{"id": 1, "name": "nucleus"}, {"id": 2, "name": "car"}],
 "annotations": [
  {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]},
  {"image_id": 1, "category_id": 2, "segmentation": [[1, 1, 9, 1, 9, 9]]},
  {"image_id": 8, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9]]},
  {"image_id": 1, "category_id": "1", "segmentation": [[1, 1, 9, 1, 9, 9]]},
  {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1]]},
  {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 1e7]]},
  {"image_id": 1, "category_id": 1, "segmentation": [[1, 1, 9, 1, 9, 9, 4]]},
  {"image_id": 1, "category_id": 1, "segmentation": {"size": [128, 64], "counts": "0"}},
  {"image_id": 1, "category_id": 1, "segmentation": {"size": [128, 128], "counts": "0"}},
  {"image_id": 1, "category_id": 1, "segmentation": {"size": [128, 128], "counts": [16384, 1]}},
  {"image_id": 1, "category_id": 1, "segmentation": {"size": [128, 128], "counts": [-1, 16385]}},
  {"image_id": 1, "category_id": 1, "segmentation": {"size": [128, 128]}},
  {"image_id": 1, "category_id": 1}]}
END
$BIN import --from coco --in "$D/bad.json" --task "$task" --out "$D/f" >"$D/out" 2>"$D/err"
for n in 1 2 3 4 5 6 7 8 9 10 11 12; do says "annotations[$n]"; done
grep -qF "annotations[0]" "$D/err" && no "annotations[0] is fine" || ok
says "images[1].file_name: expected the name of a picture of the task"; says "images[3].file_name: a second picture"; says "picture 'seed0065': expected width 128"
says "15 problems"; lacks "$D/f"
echo '{"images": [{"id": 1, "file_name": "seed0042.png", "width": 128, "height": 128}, {"id": 1}], "categories": []}' >"$D/bad.json"
$BIN import --from coco --in "$D/bad.json" --task "$task" --out "$D/f" >"$D/out" 2>"$D/err"; says "images[1].id: id 1 is used twice"; says "1 problem;"
rm "$D/bare/images/seed0065.png"
$BIN import --from labelme --in "$D/bare" --task "$D/bare/task.json" --out "$D/f" >"$D/out" 2>"$D/err"
says "seed0065.png: the picture is missing"; says "1 problem;"
done_testing
