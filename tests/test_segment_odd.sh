#!/bin/sh
# datasetgan segment on pictures of every kind (16 bits, alpha, palette, grey, CMYK, turned, 1x1): read as the same picture in plain RGB, or refused
# with one line; void labels; a cropped generator online; a loss that is not finite; two processes on one output.
# Pictures and labels: tests/golden/make_odd.py, make_photos.py.
. tests/cli_lib.sh
O=tests/golden/odd
P=tests/golden/photos
train() { out=$1; shift; $BIN segment train --width 4 --size 32 --batch 2 --out "$out" "$@"; }
values() { tail -c 20000 "$1" | cksum; }            # tensors, without the header, whose text has a hash of what was read

# ---- the same as in plain RGB: training, then prediction with what was trained
for kind in odd rgb; do try 0 train "$D/$kind" --images $O/$kind --labels $O/labels --steps 12 --lr 0.01; done
[ "$(values "$D/odd")" = "$(values "$D/rgb")" ] && ok || no "training on odd pictures and on the same in RGB differ"
mkdir "$D/grey"
for f in $O/rgb/*.png; do cp $O/rgb/grey.png "$D/grey/$(basename "$f")"; done
cp $O/rgb/one.png $O/rgb/palette.png "$D/grey"
try 0 train "$D/other" --images "$D/grey" --labels $O/labels --steps 12 --lr 0.01
[ "$(values "$D/other")" != "$(values "$D/rgb")" ] && ok || no "training does not depend on the pictures"
for kind in odd rgb; do try 0 $BIN segment predict --net "$D/rgb" --in $O/$kind --out "$D/p$kind" --probs --csv "$D/$kind.csv"; done
for f in "$D"/prgb/*; do [ "$(hash_of "$f")" = "$(hash_of "$D/podd/$(basename "$f")")" ] && ok || no "$(basename "$f") is read otherwise than in RGB"; done
[ "$(hash_of "$D/odd.csv")" = "$(hash_of "$D/rgb.csv")" ] && ok || no "the tables differ"

# JPEG: its pixels as Pillow reads them are within a level (test_jpeg); classes of the same picture agree but for ties
for kind in jpg png; do
    mkdir "$D/$kind" "$D/$kind-l"
    for f in plain progressive grey cmyk turned1 turned2 turned3 turned4 turned5 turned6 turned7 turned8 one; do cp "$P/$f.$kind" "$D/$kind/"; done
    try 0 $BIN segment predict --net "$D/rgb" --in "$D/$kind" --out "$D/$kind-l" --csv "$D/$kind.csv"
done
awk -F, 'NR == FNR { sub(/\.jpg/, ".png", $1); want[$1 "," $2] = $4 "," $9 "," $10 "," $11; next }
         FNR > 1 { split(want[$1 "," $2], w, ","); rows++; if (($4 - w[1]) ^ 2 > 9) exit 1; for (i = 2; i <= 4 && $4 > 20; i++) if (($(7 + i) - w[i]) ^ 2 > 9) exit 1 }
         END { if (rows != 52) exit 1 }' "$D/jpg.csv" "$D/png.csv" && ok || no "photographs are not read as Pillow reads them"
try 0 train "$D/photo" --images "$D/jpg" --labels "$D/png-l" --steps 4

# ---- refused with one line, and nothing written; a folder that holds one of them is not trained on
for bad in $O/bad/cut.png $O/bad/huge.png $O/bad/wide.png $P/cut.jpg $P/huge.jpg $P/wide.jpg; do
    try 1 $BIN segment predict --net "$D/rgb" --in "$bad" --out "$D/bad"; says "$(basename "$bad")"; [ "$(wc -l <"$D/err")" -eq 1 ] && ok || no "$bad: more than a line"
    rm -rf "$D/set"
    mkdir "$D/set"
    cp $O/rgb/alpha.png "$bad" "$D/set"
    cp "$bad" "$D/set/$(basename "$bad")"
    try 1 train "$D/x" --images "$D/set" --labels $O/labels --steps 2; says "$(basename "$bad")"; lacks "$D/x" "$D/x.part"
done
try 1 $BIN segment predict --net "$D/rgb" --in tests/golden/odd/labels/deep.png --out "$D/prgb" ; says "--force"
cp $O/odd/deep.png "$D/set.png"
try 1 train "$D/x" --images $O/odd --labels $O/odd --steps 2; says "expected a label map"

# ---- void: pictures without a known pixel teach nothing, and break nothing
mkdir "$D/void" "$D/voids"
one_colour 128x255 >"$D/voids/a.png"
cp "$(ls weights/blood128/annotations/images/*.png | head -n 1)" "$D/void/a.png"
try 0 train "$D/empty" --images "$D/void" --labels "$D/voids" --steps 3; prints "loss 0.0000"

# ---- a cropped generator, online: 32 x 24 pictures
cropped=$D/cropped.safetensors
length=$(od -An -tu4 -N4 "$TINY" | tr -d ' ')
printf "\\$(printf %o $(((length + 32) % 256)))\\$(printf %o $(((length + 32) / 256)))\\0\\0\\0\\0\\0\\0" >"$cropped"
printf '{"__metadata__":{"crop_rows":"24","crop_top":"4",' >>"$cropped"
tail -c +26 "$TINY" >>"$cropped"
TINY=$cropped tiny_task "$D/crop"
for seed in 1 2 3; do cp $O/half24.png "$D/crop/labels/seed000$seed.png"; done
tiny_interpreter "$D/crop/task.json" "$D/crop.i"
drawn() { out=$1; shift; train "$out" --generator "$cropped" --interpreter "$D/crop.i" --task "$D/crop/task.json" "$@"; }
online() { drawn "$@" --first-seed 10 --steps 3; }
try 0 online "$D/c1"; prints "is trained"
try 0 online "$D/c2" --threads 3
[ "$(hash_of "$D/c1")" = "$(hash_of "$D/c2")" ] && ok || no "online with a cropped generator: threads"
try 0 online "$D/c3" --soft; prints "is trained"
try 0 online "$D/c4" --psi-to 1.3; try 0 online "$D/c5" --psi-to 1.3 --mix 0.5
[ "$(for c in 1 3 4 5; do hash_of "$D/c$c"; done | sort -u | wc -l)" = 4 ] && ok || no "online: --soft, --psi-to or --mix changed nothing"
try 1 online "$D/c5" --psi-to 1.3 --mix 0.4; says "mix"
# Seeds that the interpreter learned from (1 and 2) are left out, and there must be enough of them.
loss() { rm -f "$D/loss"; drawn "$D/loss" --steps 2 --first-seed "$1" | grep -o 'loss [0-9.]*$'; }
[ "$(loss 1)" = "$(loss 3)" ] && [ "$(loss 3)" != "$(loss 4)" ] && ok || no "online: annotated seeds are drawn"
try 2 drawn "$D/c6" --steps 3 --first-seed 4294967291; says "seeds end at 4294967295"

# ---- the loss overflows after the first checkpoint: it is kept, goes on with the same command alone
# When it does is a matter of rounding: the first of some decays with which it is late enough.
for decay in 3.87 3.86 3.85 3.88; do
    blow="--images $O/rgb --labels $O/labels --optimiser sgd --schedule constant --decay $decay --augment 0 --steps 1000"
    train "$D/late" $blow --lr 1 2>"$D/err"
    [ -e "$D/late.part" ] && break
done
try 2 train "$D/nan" $blow --lr 1; says "not finite"; says "the last checkpoint is kept"; holds "$D/nan.part"; lacks "$D/nan"
kept=$(hash_of "$D/nan.part")
first=$(grep -o 'step [0-9]*' "$D/err")
[ "${first#step }" -gt 100 ] && ok || no "$first comes before a checkpoint"
try 2 train "$D/nan" $blow --lr 1; says "$first"
[ "$(hash_of "$D/nan.part")" = "$kept" ] && ok || no "the checkpoint changed"
try 1 train "$D/nan" $blow --lr 0.5; says "the checkpoint belongs to a run with other settings (lr is "
[ "$(hash_of "$D/nan.part")" = "$kept" ] && ok || no "the checkpoint changed"

# ---- one process at a time
$BIN segment train --images $O/rgb --labels $O/labels --width 4 --size 32 --batch 2 --steps 100000 --out "$D/two" >"$D/first.out" 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -e "$D/two.part" ]; do sleep 0.01; done
try 1 train "$D/two" --images $O/rgb --labels $O/labels --steps 3; says "two.part: another process is working on it"
try 1 train "$D/two" --images $O/rgb --labels $O/labels --steps 3 --force; says "two.part: another process is working on it"
kill -9 $pid
wait $pid 2>/dev/null
try 0 train "$D/two" --images $O/rgb --labels $O/labels --steps 2 --force
lacks "$D/two.part"
done_testing
