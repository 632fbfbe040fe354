#!/bin/sh
# Annotation sets as DatasetGAN's own code keeps them: export --format official, import --from official, and what does not belong together.
. tests/cli_lib.sh
in_memory
small_task "$D/set"
task=$D/set/task.json

# ---- there and back: the same pictures and labels
try 0 $BIN export --format official --task "$task" --out "$D/of"; prints "3 annotated pictures"; quiet; no_temporaries "$D/of"
holds "$D/of/annotation/image_2.jpg" "$D/of/annotation/image_mask2.npy" "$D/of/latent/latent_stylegan1.npy" "$D/of/latent/avg_latent_stylegan1.npy"
try 0 $BIN export --format official --task "$task" --out "$D/of"; prints "there already"
try 0 $BIN import --from official --in "$D/of/annotation" --latents "$D/of/latent" --task "$task" --out "$D/back"; prints "3 pictures"; quiet
prints "image_2.jpg: latent 2, PSNR"
$BIN generate --seeds 42,65,1000 --out "$D/drawn" >/dev/null
mkdir "$D/renamed"
for i in 0:0042 1:0065 2:1000; do
    same "$D/back/images/image_${i%:*}.png" "$D/drawn/seed${i#*:}.png" "picture $i"
    cp "$D/set/labels/seed${i#*:}.png" "$D/renamed/image_${i%:*}.png"
done
try 0 $BIN eval --pred "$D/back/labels" --truth "$D/renamed"; prints "pixel accuracy  1.0000"
small_interpreter() { "$BIN" train --task "$1" --out "$2" --members 1 --epochs 0.02 --width1 8 --width2 8 >/dev/null; }
small_interpreter "$D/back/task.json" "$D/trained" && ok || no "an imported set does not train"
try 0 $BIN export --format official --task "$D/back/task.json" --out "$D/again"
same "$D/again" "$D/of" "exported, imported, exported"

# the set names the generator from where it lies, however the task did
cp "$BUNDLE/generator.safetensors" "$D/set/g.safetensors"
sed "s|$BUNDLE/generator.safetensors|g.safetensors|" "$task" >"$D/set/relative.json"
try 0 $BIN import --from official --in "$D/of/annotation" --latents "$D/of/latent" --task "$D/set/relative.json" --out "$D/deep/er/set"
grep -q '"file": "../../../set/g.safetensors"' "$D/deep/er/set/task.json" && ok || no "generator.file: $(grep -m1 '"file"' "$D/deep/er/set/task.json")"

# ---- pictures one ahead of the latents: picture 0 is the mean picture (make_training_data.py), here with a label of its own
mkdir "$D/ahead"
$BIN generate --seeds 0 --psi 0 --out "$D/mean" >/dev/null
cp "$D/mean/seed0000.png" "$D/ahead/image_0.png"
cp "$D/of/annotation/image_mask1.npy" "$D/ahead/image_mask0.npy"
for i in 0 1 2; do
    cp "$D/of/annotation/image_$i.jpg" "$D/ahead/image_$((i + 1)).jpg"
    cp "$D/of/annotation/image_mask$i.npy" "$D/ahead/image_mask$((i + 1)).npy"
done
cp "$D/of/latent/"*.npy "$D/ahead"
try 0 $BIN import --from official --in "$D/ahead" --task "$task" --out "$D/shifted"; prints "4 pictures"; prints "picture i belongs to latent i - 1"
prints "image_0.png: the mean picture, PSNR 100.0 dB"
same "$D/shifted/images/image_0.png" "$D/mean/seed0000.png" "the mean picture"
same "$D/shifted/images/image_3.png" "$D/drawn/seed1000.png" "picture 3"
same "$D/shifted/labels/image_3.png" "$D/back/labels/image_2.png" "label 3"
small_interpreter "$D/shifted/task.json" "$D/trained2" && ok || no "a set with the mean picture does not train"

# ---- the folder's own mean of w, another than the generator's: latents are kept as w+
$BIN generate --seeds 5 --psi 0.2 --save-w "$D/w5.npy" --out "$D/other" >/dev/null
try 1 $BIN import --from official --in "$D/of/annotation" --latents "$D/of/latent" --average "$D/none.npy" --task "$task" --out "$D/f"; says "none.npy"
$BIN import --from official --in "$D/of/annotation" --latents "$D/of/latent" --average "$D/w5.npy" --min-psnr 1 --task "$task" --out "$D/own" >"$D/out"
prints "kept as w+"
grep -q '"space": "w+"' "$D/own/task.json" && ok || no "latents of another mean are not w+"
try 0 $BIN export --format official --task "$D/own/task.json" --out "$D/own_of"
try 0 $BIN import --from official --in "$D/own_of/annotation" --latents "$D/own_of/latent" --task "$task" --out "$D/own_back"
same "$D/own_back/images" "$D/own/images" "w+ there and back"

# ---- what does not belong together; nothing is written
cp -r "$D/of/annotation" "$D/wrong"
cp "$D/of/annotation/image_0.jpg" "$D/wrong/image_1.jpg"
$BIN import --from official --in "$D/wrong" --latents "$D/of/latent" --task "$task" --out "$D/f" >"$D/out" 2>"$D/err"
[ $? -eq 3 ] && ok || no "a wrong picture is not a mismatch"
says "image_1.jpg: PSNR"; says "expected at least 20"; says "1 problem; nothing was written"; lacks "$D/f"
$BIN import --from official --in "$D/of/annotation" --latents "$D/of/latent" --min-psnr 99 --task "$task" --out "$D/f" 2>"$D/err" >"$D/out"; says "3 problems"; lacks "$D/f"
try 0 $BIN import --from official --in "$D/wrong" --latents "$D/of/latent" --min-psnr 1 --task "$task" --out "$D/loose"
mv "$D/wrong/image_1.jpg" "$D/kept.jpg"
try 1 $BIN import --from official --in "$D/wrong" --latents "$D/of/latent" --task "$task" --out "$D/f"; says "image_1.png: neither"; lacks "$D/f"
try 2 $BIN import --from official --in "$D/of/annotation" --classes x --task "$task" --out "$D/f"; says "--classes"
try 2 $BIN import --from png --in "$D/set/labels" --threads 2 --task "$task" --out "$D/f"; says "--from official"
try 2 $BIN import --from official --in "$D/of/latent" --task "$task" --out "$D/f"; says "no image_mask0.npy"
try 1 $BIN import --from official --in "$D/of/annotation" --task "$task" --out "$D/f"; says "latent_stylegan1.npy"
try 3 $BIN import --from official --in "$D/of/annotation" --latents "$D/of/latent" --generator "$TINY" --task "$task" --out "$D/f"
try 2 $BIN export --format official --out "$D/f"; says "--task"
try 2 $BIN export --format official --task "$task" --dataset "$D/set" --out "$D/f"; says "--format official takes"
try 2 $BIN export --format coco --task "$task" --dataset "$D/set" --out "$D/f"; says "--format official"
one_colour 128x255 >"$D/set/labels/seed0065.png"
try 1 $BIN export --format official --task "$task" --out "$D/f"; says "is void"; lacks "$D/f"
cp "$D/set/images/seed0042.png" "$D/set/images/seed0065.png"
one_colour 128x0 >"$D/set/labels/seed0065.png"
$BIN export --format official --task "$task" --out "$D/f" 2>"$D/err"; says "do not belong together"; lacks "$D/f"

# ---- dataset --z-stream: picture 0 is the seed's own, the rest follow; stopped, cut up or in batches it is one run
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/it"
set -- dataset --generator "$TINY" --interpreter "$D/it"
try 0 $BIN "$@" --z-stream 7 --count 5 --batch 2 --out "$D/s"; quiet
try 0 $BIN generate --generator "$TINY" --seeds 7 --psi 0.7 --out "$D/seven"
same "$D/s/images/0000000000.png" "$D/seven/seed0007.png" "draw 0 of RandomState(7)"
[ "$(grep -c '"seed":[0-4],.*"z_stream":7' "$D/s/metadata.jsonl")" -eq 5 ] && ok || no "five lines with the stream, annotated numbers among them"
try 0 $BIN "$@" --z-stream 7 --count 2 --out "$D/s2"
try 1 $BIN "$@" --z-stream 8 --count 5 --out "$D/s2"; says "z_stream"
try 0 $BIN "$@" --z-stream 7 --count 5 --batch 3 --out "$D/s2"; same "$D/s2" "$D/s" "stopped after two"
for k in 1 2; do try 0 $BIN "$@" --z-stream 7 --count 5 --shard $k/2 --out "$D/s3.$k"; done
try 0 $BIN merge --out "$D/s3" "$D/s3.1" "$D/s3.2"; same "$D/s3" "$D/s" "in two parts"

# ---- it is part of --recipe official: the interpreter says so, and the dataset obeys
$BIN train --task "$D/tiny/task.json" --recipe official --out "$D/io" --members 1 --epochs 0.1 >/dev/null || no "cannot train as released"
set -- dataset --generator "$TINY" --interpreter "$D/io" --count 3
try 0 $BIN "$@" --out "$D/r"; prints "drawn from one stream, --z-stream 0"
try 0 $BIN "$@" --z-stream 0 --out "$D/r0"; same "$D/r" "$D/r0" "--z-stream 0 by itself"
grep -q '"z_stream": 0' "$D/r/run.json" && ok || no "run.json does not say which stream"
try 0 $BIN "$@" --z-stream 5 --out "$D/r5"
try 0 $BIN generate --generator "$TINY" --seeds 5 --psi 0.7 --out "$D/five"
same "$D/r5/images/0000000000.png" "$D/five/seed0005.png" "draw 0 of RandomState(5)"
try 0 $BIN "$@" --z-seeds --out "$D/zs"; grep -q z_stream "$D/zs/run.json" && no "run.json speaks of a stream" || ok
try 0 $BIN generate --generator "$TINY" --seeds 4 --psi 0.7 --out "$D/four"
same "$D/zs/images/0000000004.png" "$D/four/seed0004.png" "each sample its own seed, the annotated 1 and 2 left out"
try 2 $BIN "$@" --z-seeds --z-stream 1 --out "$D/f"; says "--z-seeds"
done_testing
