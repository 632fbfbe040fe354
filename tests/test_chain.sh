#!/bin/sh
# The commands of docs/REPRODUCE.md, "From checkpoint to row", as they stand there, on made-up checkpoints and annotations (tests/chain_files.py): only how
# many and how large is turned down.  Needs python3 with NumPy.
. "$(dirname "$0")/python_lib.sh"
. tests/cli_lib.sh
in_memory
mkdir "$D/bin"
ln -s "$BIN" "$D/bin/datasetgan"
PATH=$D/bin:$PATH
python3 -B tests/chain_files.py "$D/files" || no "the files are not made"
ln -s "$PWD/tasks" "$PWD/convert" "$D/files"

# turned_down: the commands, each with the least work that still is its work
turned_down() {
    sed -n '/^## From checkpoint/,/^```$/p' docs/REPRODUCE.md | sed -n '/^R=/,/^```$/p' | sed -e '/^```/d' -e 's/--count 2500/--count 1/' -e 's/ --recipe official / --members 1 --epochs 0.002&/' \
        -e 's/--net resnet101 --size 512 --batch 8 --epochs 20/--net light --width 4 --size 32 --batch 2 --epochs 1/'
}
# pictures CHECKPOINT ANNOTATIONS LATENTS [--rows ...]: what the annotators saw, with another noise than the import will draw: the file's own
pictures() {
    of="karras2019stylegan-$1.for_g_all.pt" to="dataset_release/annotation/training_data/$2" from="dataset_release/training_latent/$3"
    shift 3
    (cd "$D/files" && mkdir seen && cp "$of" "$from"/avg_latent*.npy seen && python3 -B convert/convert.py "seen/$of" seen/g.safetensors "$@" &&
        datasetgan generate --generator seen/g.safetensors --seeds 3,4 --out seen/out && mv seen/out/seed0003.png "$to/image_0.png" &&
        mv seen/out/seed0004.png "$to/image_1.png" && rm -r seen) >"$D/out" 2>&1 || no "no pictures for $to: $(tail -n 1 "$D/out")"
}
# chain COMMANDS
chain() { (cd "$D/files" && rm -f avg_latent*.npy task.json && sh -e "$1") >"$D/out" 2>"$D/err" && ok || no "$1: $(tail -n 1 "$D/err")"; }

pictures cars-512x384 car_processed car_20 --rows 64..447
for i in 0 1 2 3 4; do cp "$D/files/dataset_release/annotation/training_data/car_processed/image_$((i % 2)).png" "$D/files/test/images/image_$i.png"; done
turned_down >"$D/car.sh"
[ "$(wc -l <"$D/car.sh")" -eq 11 ] && ok || no "docs/REPRODUCE.md: expected 11 lines of commands, found $(wc -l <"$D/car.sh")"
chain "$D/car.sh"
prints "2 pictures in car"; prints "1 samples in data7500"; prints "mIoU of 5 folds"
if grep -q estimated "$D/err"; then no "the mean of w is estimated, not the released one"; else ok; fi
[ "$(find "$D/files"/data* -path '*/labels/*.png' | wc -l)" -eq 4 ] && ok || no "four streams, a sample each"

# the other rows, up to a labelled sample
[ "$NIGHTLY" ] || { skip "the chains of cat-16 and face-34 (20 s): make nightly"; done_testing; }
pictures cats-256x256 cat_processed cat_16
# shellcheck disable=SC2016
turned_down | sed -e '/^datasetgan segment/d' -e 's/cars-512x384/cats-256x256/g; s/car_processed/cat_processed/; s/car_20/cat_16/g; s/car-20/cat-16/; s/ --rows .*//; s/avg_latent_stylegan1/avg_latent_cat/' \
    -e 's/^datasetgan import/& --average $R\/training_latent\/cat_16\/avg_latent_cat.npy/; s/ car\([/. ]\)/ cat\1/g; s/--out car$/--out cat/; s/data\$S/cat$S/; s/ 2500 5000 7500//' >"$D/cat.sh"
chain "$D/cat.sh"
prints "2 pictures in cat"; prints "1 samples in cat0"
pictures celebahq-1024x1024 face_processed face_34
turned_down | sed -e '/^datasetgan segment/d' -e 's/cars-512x384/celebahq-1024x1024/g; s/car_processed/face_processed/; s/car_20/face_34/g; s/car-20/face-34/; s/ --rows .*//' \
    -e 's/ car\([/. ]\)/ face\1/g; s/--out car$/--out face/; s/data\$S/face$S/; s/ 2500 5000 7500//' >"$D/face.sh"
chain "$D/face.sh"
prints "2 pictures in face"; prints "1 samples in face0"
done_testing
