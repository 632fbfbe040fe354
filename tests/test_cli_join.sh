#!/bin/sh
# datasetgan import: sets that grow (--add), and pictures made elsewhere with their latents (--pictures, --latents): measured, drawn again, refused.
. tests/cli_lib.sh
in_memory
small_task "$D/set"
task=$D/set/task.json

# ---- --add: two pictures and one make the set of three; a corrected label; what does not fit
mkdir "$D/one" "$D/two" "$D/new" "$D/mend"
cp -r "$D/set/images" "$D/set/labels" "$D/one"
cp -r "$D/set/images" "$D/set/labels" "$D/two"
grep -v '"seed": \(65\|1000\),' "$task" | sed 's/"train"},/"train"}/; $s/$/]}/' >"$D/one/task.json"
grep -v '"seed": 42,' "$task" >"$D/two/task.json"
cp "$D/set/labels/seed0065.png" "$D/set/labels/seed1000.png" "$D/new"
try 0 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/task.json" --out "$D/three"
prints "3 pictures in"; prints "2 imported, 1 of the task kept"; quiet; no_temporaries "$D/three"
try 0 $BIN import --from png --in "$D/set/labels" --task "$task" --out "$D/all"
same "$D/three/images" "$D/all/images" "pictures of both"; same "$D/three/labels" "$D/all/labels" "labels of both"
[ "$(grep -c '"seed"' "$D/three/task.json")" -eq 3 ] && grep -q '"test"' "$D/three/task.json" && ok || no "items of both, with their splits"
try 0 $BIN train --task "$D/three/task.json" --out "$D/i" --members 1 --epochs 0.02 --width1 8 --width2 8
cp "$D/set/labels/seed0065.png" "$D/mend/seed0042.png"                     # a label of the added set is mended on the way
try 0 $BIN import --from png --in "$D/mend" --task "$D/two/task.json" --add "$D/one/task.json" --out "$D/mended"; prints "1 imported, 2 of the task kept"
same "$D/mended/labels/seed0042.png" "$D/all/labels/seed0065.png" "a label for a picture of the added set"
try 0 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/task.json" --out "$D/three"; prints "there already"
try 1 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$task" --out "$D/f"; says "items[1]: seed 65 is in $D/two/task.json, too"
sed 's/"nucleus"/"core"/' "$D/one/task.json" >"$D/one/named.json"
try 1 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/named.json" --out "$D/f"; says 'class 3: expected "nucleus" as in'
sed 's/"psi": 0.7/"psi": 0.5/' "$D/one/task.json" >"$D/one/psi.json"
try 1 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/psi.json" --out "$D/f"; says "other settings"
sed 's/"sha256": "[^"]*"/"sha256": "'"$(printf %064d 1)"'"/' "$D/one/task.json" >"$D/one/other.json"
try 1 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/other.json" --out "$D/f"; says "drawn by generator 000000000000"
sed 's/"seed": 42/"seed": 43/; s/seed0042/seed0065/' "$D/one/task.json" >"$D/one/stem.json"
try 1 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/stem.json" --out "$D/f"; says "two items have pictures named 'seed0065'"
echo '{"cell": ["red blood cell", "cytoplasm", "nucleus"], "rest": ["background"]}' >"$D/merge.json"
try 0 $BIN import --from png --in "$D/new" --task "$D/two/task.json" --add "$D/one/task.json" --merge "$D/merge.json" --out "$D/joined"
try 0 $BIN import --from png --in "$D/set/labels" --task "$task" --merge "$D/merge.json" --out "$D/joined_all"; same "$D/joined/labels" "$D/joined_all/labels" "--merge of both"

# ---- pictures made elsewhere: w+ as generate keeps them, another noise stands for another program's arithmetic
mkdir "$D/elsewhere" "$D/theirs"
for noise in const random; do $BIN generate --seeds 42,65,1000 --noise $noise --save-w "$D/w.npy" --force --out "$D/$noise" >/dev/null || no "cannot draw"; done
i=1
for seed in 0042 0065 1000; do                                            # cell2 before cell10: numbers, not letters
    name=$([ $i -eq 3 ] && echo cell10 || echo cell$i)
    cp "$D/random/seed$seed.png" "$D/elsewhere/$name.png"
    cp "$D/set/labels/seed$seed.png" "$D/theirs/$name.png"
    i=$((i + 1))
done
latents="--pictures $D/elsewhere --latents $D/w.npy --space w+"
try 0 $BIN import --from png --in "$D/theirs" --task "$task" $latents --out "$D/far"; prints "3 imported"; prints "cell10.png: latent 2 of w.npy, PSNR"; quiet
psnr=$(sed -n 's/.*PSNR \([0-9]*\)\..*/\1/p' "$D/out" | sort -n | head -n 1)
[ "$psnr" -ge 25 ] && [ "$psnr" -le 60 ] && ok || no "random noise: a PSNR of $psnr dB"
same "$D/far/images/cell10.png" "$D/const/seed1000.png" "the set holds what our generator draws"
try 0 $BIN eval --pred "$D/far/labels" --truth "$D/theirs"; prints "pixel accuracy  1.0000"
try 0 $BIN train --task "$D/far/task.json" --out "$D/fi" --members 1 --epochs 0.02 --width1 8 --width2 8
try 0 $BIN import --from png --in "$D/mend" --task "$D/one/task.json" --add "$D/far/task.json" --out "$D/mixed"; prints "4 pictures"
try 0 $BIN train --task "$D/mixed/task.json" --out "$D/mi" --members 1 --epochs 0.02 --width1 8 --width2 8
grep -q '"file": "latents/0.npy"' "$D/mixed/task.json" && ok || no "latents move with an added set"
$BIN generate --seeds 7,8 --save-w "$D/w2.npy" --out "$D/g2" >/dev/null || no "cannot draw"
mkdir "$D/theirs2"
cp "$D/set/labels/seed0042.png" "$D/theirs2/seed0007.png"; cp "$D/set/labels/seed0065.png" "$D/theirs2/seed0008.png"
try 0 $BIN import --from png --in "$D/theirs2" --task "$task" --pictures "$D/g2" --latents "$D/w2.npy" --space w+ --add "$D/far/task.json" --out "$D/both"; prints "5 pictures"
try 0 $BIN train --task "$D/both/task.json" --out "$D/bi" --members 1 --epochs 0.02 --width1 8 --width2 8      # compares every picture
# too far: refused with the picture's name, exit code 3, nothing written
$BIN import --from png --in "$D/theirs" --task "$task" $latents --min-psnr 90 --out "$D/f" >"$D/out" 2>"$D/err"
[ $? -eq 3 ] && ok || no "--min-psnr: status"
says "cell2.png: PSNR"; says "for latent 1 of w.npy, expected at least 90"; says "3 problems; nothing was written"; lacks "$D/f" "$D/f.tmp"
mv "$D/elsewhere/cell2.png" "$D/elsewhere/cell3.png"; mv "$D/elsewhere/cell1.png" "$D/elsewhere/cell20.png"
$BIN import --from png --in "$D/theirs" --task "$task" $latents --out "$D/f" >"$D/out" 2>"$D/err"
[ $? -eq 3 ] && ok || no "pictures in another order: status"
says "expected at least 20"; lacks "$D/f"
rm "$D/elsewhere/cell20.png"
try 1 $BIN import --from png --in "$D/theirs" --task "$task" $latents --out "$D/f"; says "expected a picture for each of the 3 latents"; says "found 2"
try 1 $BIN import --from png --in "$D/theirs" --task "$task" --pictures "$D/elsewhere" --latents "$D/w.npy" --space z --out "$D/f"; says "expected"
try 2 $BIN import --from png --in "$D/theirs" --task "$task" --pictures "$D/elsewhere" --out "$D/f"; says "expected both or neither"
try 2 $BIN import --from png --in "$D/theirs" --task "$task" --array z --out "$D/f"; says "--latents"
# our own set is measured, too
try 0 $BIN import --from png --in "$D/set/labels" --task "$task" --min-psnr 50 --out "$D/own"; prints "seed0065.png: seed 65, PSNR"
for seed in 0042 0065 1000; do same "$D/own/images/seed$seed.png" "$D/const/seed$seed.png" "our drawing of seed $seed"; done
done_testing
