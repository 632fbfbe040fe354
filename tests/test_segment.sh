#!/bin/sh
# datasetgan segment: training resumes and repeats to the byte, for any number of threads; label maps at the photographs' own size; scores.
. tests/cli_lib.sh
A=weights/blood128/annotations
mkdir -p "$D/six/images" "$D/six/labels"
for s in $(ls $A/images | head -n 6); do cp "$A/images/$s" "$D/six/images/"; cp "$A/labels/$s" "$D/six/labels/"; done
train() { out=$1; shift; $BIN segment train --dataset "$D/six" --width 4 --size 32 --batch 2 --steps ${STEPS:-6} --out "$out" "$@"; }

tensors_of() { tail -c 20000 "$1" | cksum; }        # without the header, which holds the settings

# ---- training: threads, again, other settings, validation
try 0 train "$D/net" --threads 1; prints "is trained"; quiet; holds "$D/net" "$D/net.sheet.png"; lacks "$D/net.part"
try 0 train "$D/net3" --threads 3 --val "$D/six" --val-every 2; prints "validation mIoU"
if script -qec true /dev/null </dev/null >/dev/null 2>&1; then
    script -qec "$BIN segment train --dataset $D/six --width 4 --size 32 --batch 2 --steps 6 --val $D/six --val-every 2 --out $D/tty" "$D/typescript" </dev/null >/dev/null 2>&1
    grep -q "step  6/6  .*/s  .* left  loss [0-9.]*, validation mIoU 0.[0-9]" "$D/typescript" && ok || no "no loss, mIoU, rate and time left on a terminal"
else
    skip "no script(1) or no terminals: progress on a terminal"
fi
# by the clock: it ends, and the file says after how many steps
try 0 $BIN segment train --dataset "$D/six" --width 4 --size 32 --batch 2 --steps 1000000 --minutes 0.01 --out "$D/clock"
steps=$(sed -n 's/^\([0-9]*\) steps, loss.*/\1/p' "$D/out")
[ "${steps:-0}" -ge 1 ] && [ "${steps:-0}" -lt 1000000 ] && grep -aq "curve[^[]*\[\[$steps," "$D/clock" && ok || no "--minutes: '$steps' steps, the file has another number"
try 0 train "$D/net2" --threads 2
[ "$(hash_of "$D/net")" = "$(hash_of "$D/net2")" ] && ok || no "two threads give other bytes"
try 0 train "$D/net"; prints "there already"
try 1 train "$D/net" --seed 1; says "--force replaces it"
try 0 train "$D/net1" --seed 1
[ "$(hash_of "$D/net")" != "$(hash_of "$D/net1")" ] && ok || no "another seed gives the same bytes"
for o in sgd adam; do for s in poly constant; do try 0 train "$D/$o$s" --optimiser $o --schedule $s --lr 0.001; done; done
try 0 train "$D/warm" --weights "$D/net" --lr 0.0001; prints "tensors from"
try 0 train "$D/pasted" --paste-class "red blood cell"
[ "$(hash_of "$D/net")" != "$(hash_of "$D/pasted")" ] && ok || no "pasting changes nothing"
try 2 train "$D/x" --paste-class moon; says "--paste-class"
try 0 train "$D/pasted1" --paste-class 1
[ "$(hash_of "$D/pasted1")" = "$(hash_of "$D/pasted")" ] && ok || no "a class's id gives other bytes than its name"
try 0 train "$D/steady" --steady-class nucleus
[ "$(hash_of "$D/net")" != "$(hash_of "$D/steady")" ] && ok || no "a steady class changes nothing"
try 0 train "$D/even" --uneven 0
[ "$(hash_of "$D/net")" != "$(hash_of "$D/even")" ] && ok || no "even density changes nothing"
try 0 train "$D/nojpeg" --jpeg 0
[ "$(hash_of "$D/net")" = "$(hash_of "$D/nojpeg")" ] && ok || no "JPEG is on without being asked for"
for t in 1 3; do try 0 train "$D/jpeg$t" --jpeg 20 --threads $t; done
[ "$(hash_of "$D/jpeg1")" = "$(hash_of "$D/jpeg3")" ] && [ "$(tensors_of "$D/jpeg1")" != "$(tensors_of "$D/net")" ] && ok || no "JPEG: threads, or nothing changes"
try 1 train "$D/jpeg1" --jpeg 30; says "--force replaces it"
try 0 $BIN segment train --dataset "$D/six" --net resnet18 --output-stride 16 --aux --size 32 --batch 2 --steps 1 --out "$D/r18"
try 2 train "$D/x" --weights "$D/r18"; says "numbers of the network 'resnet18', expected 'light'"

# ---- networks on the way; a second folder, its labels by a network that is sure of them
try 0 train "$D/kept" --keep-every 3; holds "$D/kept.step3" "$D/kept.step6"; lacks "$D/kept.step2"
[ "$(hash_of "$D/kept")" = "$(hash_of "$D/net")" ] && ok || no "--keep-every changes the result"
for n in kept kept.step6 kept.step3; do try 0 $BIN segment predict --net "$D/$n" --in "$D/six/images" --out "$D/by-$n"; done
[ "$(hash_of "$D/by-kept.step6")" = "$(hash_of "$D/by-kept")" ] && ok || no "the network kept at the last step is not the result"
[ "$(hash_of "$D/by-kept.step3")" != "$(hash_of "$D/by-kept")" ] && ok || no "the network kept half-way is the result"
for p in 0 0.3 0.999; do try 0 $BIN segment predict --net "$D/kept" --in "$D/six/images" --out "$D/sure$p" --min-confidence $p --csv "$D/sure$p.csv"; done
sum() { awk -F, 'NR > 1 { n += $4 } END { print n }' "$1"; }
[ "$(sum "$D/sure0.csv")" -eq 98304 ] && [ "$(sum "$D/sure0.3.csv")" -gt "$(sum "$D/sure0.999.csv")" ] && [ "$(sum "$D/sure0.999.csv")" -lt 98304 ] && ok ||
    no "pixels left by confidence 0, 0.3, 0.999: $(sum "$D/sure0.csv"), $(sum "$D/sure0.3.csv"), $(sum "$D/sure0.999.csv")"
more="--more-images $D/six/images --more-labels $D/sure0.3"
try 0 train "$D/more" $more
try 0 train "$D/more1" $more --more-share 1
try 0 $BIN segment train --images "$D/six/images" --labels "$D/sure0.3" --width 4 --size 32 --batch 2 --steps 6 --out "$D/alone"
for n in more more1 alone; do try 0 $BIN segment predict --net "$D/$n" --in "$D/six/images" --out "$D/by-$n"; done
[ "$(hash_of "$D/by-more1")" = "$(hash_of "$D/by-alone")" ] && [ "$(hash_of "$D/by-more")" != "$(hash_of "$D/by-alone")" ] && [ "$(hash_of "$D/by-more")" != "$(hash_of "$D/by-kept")" ] && ok ||
    no "a share of 1 is not the second folder alone, or half of each is one of them"
try 2 train "$D/x" --more-images "$D/six/images"; says "go together"
try 2 train "$D/x" $more --epochs 1; says "--more-images goes with"

# ---- stopped and gone on with: the bytes of a run that was not
STEPS=160 try 0 train "$D/whole"
long="--dataset $D/six --width 4 --size 32 --batch 2 --steps 160"
$BIN segment train $long --out "$D/cut" >"$D/out" 2>"$D/err" &
run=$!
while kill -0 $run 2>/dev/null && [ ! -e "$D/cut.part" ]; do sleep 0.01; done
kill -TERM $run 2>/dev/null
wait $run
stopped=$?
if [ $stopped -eq 130 ]; then
    ok
    try 1 $BIN segment train $long --out "$D/cut" --seed 5; says "the checkpoint belongs to a run with other settings (seed is "
    cp "$D/cut.part" "$D/left"
    try 0 $BIN segment train $long --out "$D/cut"
    # Killed after the network was written, before its checkpoint was removed: the same command removes it.
    for left in "$D/left" /dev/null; do
        cat "$left" >"$D/cut.part"
        try 0 $BIN segment train $long --out "$D/cut"; lacks "$D/cut.part"
    done
else skip "the run ended before it could be stopped (status $stopped)"; fi
[ "$(hash_of "$D/cut")" = "$(hash_of "$D/whole")" ] && ok || no "stopped and resumed gives other bytes"

# ---- a loss that is not finite
STEPS=40 try 2 train "$D/nan" --optimiser sgd --lr 1000 --decay 1000 --schedule constant; says "the loss is not finite"; lacks "$D/nan"

# ---- prediction: every kind of picture, at its own size
mkdir "$D/in"
P=tests/golden/photos
cp $P/plain.jpg $P/turned6.jpg $P/cmyk.jpg $P/grey.jpg $P/one.jpg "$D/in/"
cp "$D/six/images/$(ls "$D/six/images" | head -n 1)" "$D/in/cell.png"
try 0 $BIN segment predict --net "$D/net" --in "$D/in" --out "$D/p" --overlay --probs --csv "$D/t.csv"; prints "6 pictures"
size() { od -An -tu1 -j16 -N8 "$1" | awk '{ print $3 * 256 + $4 "x" $7 * 256 + $8 }'; }
[ "$(size "$D/p/plain.png") $(size "$D/p/turned6.png") $(size "$D/p/one.png") $(size "$D/p/cell.png")" = "28x20 20x28 1x1 128x128" ] && ok || no "sizes of predictions"
[ "$(wc -l <"$D/t.csv")" -eq 25 ] && ok || no "the table has a row a picture and class"
awk -F, 'NR > 1 { sum[$1] += $5; n[$1] += $4 } END { for (p in sum) if (sum[p] < 0.9999 || sum[p] > 1.0001) exit 1; exit n["plain.jpg"] == 560 ? 0 : 1 }' "$D/t.csv" \
    && ok || no "shares of a picture add up to 1"
holds "$D/p/cell_overlay.png" "$D/p/cell_probs.npy"
try 0 $BIN segment predict --net "$D/net" --in "$D/in" --out "$D/p3" --threads 3
for f in "$D"/p3/*; do same_file=$(hash_of "$f"); [ "$same_file" = "$(hash_of "$D/p/$(basename "$f")")" ] && ok || no "$(basename "$f"): threads"; done
try 0 $BIN segment predict --net "$D/net" --in "$D/in/cell.png" --out "$D/tiles" --scale 0.75 --tile 64 --no-flips --adapt 0.3
[ "$(size "$D/tiles/cell.png")" = 128x128 ] && ok || no "size of a tiled prediction"
# In tiles a picture comes and goes in bands; with --central, which needs all of it, at once: the same labels where each class has one part.
tiled() { try 0 $BIN segment predict --net "$D/net" --in "$D/in" --out "$D/$1" --scale 0.5 --tile 64 --no-flips --csv "$D/$1.csv" --overlay --probs $2; }
tiled bands ""; tiled bands ""; tiled bands3 "--threads 3"; tiled bands-half "--min-confidence 0.5"; tiled at-once "--central nucleus"
[ "$(hash_of "$D/bands")" = "$(hash_of "$D/bands3")" ] && ok || no "bands: threads"
for f in "$D"/bands/*_probs.npy; do same_file=$(hash_of "$f"); [ "$same_file" = "$(hash_of "$D/at-once/$(basename "$f")")" ] && ok || no "$(basename "$f"): in bands and at once"; done
no_nucleus() { awk -F, '$2 && $3 != "nucleus" { print $1, $3, $4 }' "$1"; }
[ "$(no_nucleus "$D/bands.csv")" = "$(no_nucleus "$D/at-once.csv")" ] && ok || no "the table in bands and at once"
mkdir "$D/taken"; cp "$D/p/cell.png" "$D/taken/cell.png"
try 1 $BIN segment predict --net "$D/net" --in "$D/in/cell.png" --out "$D/taken" --scale 0.5 --tile 64; says "--force"; lacks "$D/taken/cell.png.tmp"
try 0 $BIN segment predict --net "$D/net" --in "$D/in/cell.png" --out "$D/taken" --scale 0.5 --tile 64 --force; lacks "$D/taken/cell.png.tmp"
for bad in cut huge wide; do try 1 $BIN segment predict --net "$D/net" --in $P/$bad.jpg --out "$D/bad" --scale 0.5; lacks "$D/bad/$bad.png" "$D/bad/$bad.png.tmp"; done
for c in all 1,2,3 cytoplasm,nucleus 2,3 1,3 1; do try 0 $BIN segment predict --net "$D/net" --in "$D/six/images" --out "$D/c-$c" --central $c --csv "$D/c-$c.csv"; done
try 0 $BIN segment predict --net "$D/net" --in "$D/six/images" --out "$D/c-none" --csv "$D/c-none.csv"
for pair in 2,3:cytoplasm,nucleus all:1,2,3; do [ "$(hash_of "$D/c-${pair%:*}")" = "$(hash_of "$D/c-${pair#*:}")" ] && ok || no "--central $pair differ"; done
[ "$(hash_of "$D/c-1")" != "$(hash_of "$D/c-1,3")" ] && [ "$(hash_of "$D/c-1")" != "$(hash_of "$D/c-none")" ] && ok || no "--central: only the first class counts, or none"
of_class() { awk -F, -v c="$2" '$2 == c { n += $4; if ($6 > most) most = $6 } END { print n + 0, most + 0 }' "$1"; }      # pixels; parts at most
[ "$(of_class "$D/c-2,3.csv" 1)" = "$(of_class "$D/c-none.csv" 1)" ] && ok || no "--central touches a class that it does not name"
[ "$(of_class "$D/c-1.csv" 1 | cut -d' ' -f2)" -le 1 ] && [ "$(of_class "$D/c-none.csv" 1 | cut -d' ' -f2)" -gt 1 ] && ok || no "--central leaves $(of_class "$D/c-1.csv" 1) of $(of_class "$D/c-none.csv" 1)"
try 2 $BIN segment predict --net "$D/net" --in "$D/in" --out "$D/bad" --central nucleus,moon; says "option --central: no class but the first is called 'moon'"
try 2 $BIN segment predict --net "$D/net" --in "$D/in" --out "$D/bad" --central background; says "--central"
for bad in cut huge wide; do try 1 $BIN segment predict --net "$D/net" --in $P/$bad.jpg --out "$D/bad"; lacks "$D/bad/$bad.png"; done
try 2 $BIN segment predict --net "$D/net" --in "$D/in" --out "$D/bad" --scale half; says "--scale"
try 1 $BIN segment predict --net $P/plain.jpg --in "$D/in" --out "$D/bad"

# ---- scores: those of 'eval' on the predictions
try 0 $BIN segment predict --net "$D/net" --in "$D/six/images" --out "$D/six/pred"
try 0 $BIN eval --pred "$D/six/pred" --truth "$D/six/labels" --json "$D/e.json"
try 0 $BIN segment eval --net "$D/net" --images "$D/six/images" --labels "$D/six/labels" --folds 3 --json "$D/s.json"; prints "mIoU of 3 folds"
[ "$(grep -m 1 '"miou"' "$D/e.json" | tr -d ' ,')" = "$(grep '^  "miou"' "$D/s.json" | tr -d ' ,')" ] && ok || no "segment eval and eval of predictions differ"
try 2 $BIN segment eval --net "$D/net" --images "$D/six/images" --labels "$D/six/labels" --view none
try 0 $BIN eval --pred "$D/c-1,3" --truth "$D/six/labels" --json "$D/ec.json"
try 0 $BIN segment eval --net "$D/net" --images "$D/six/images" --labels "$D/six/labels" --central 1,3 --json "$D/sc.json"
[ "$(grep -m 1 '"miou"' "$D/ec.json" | tr -d ' ,')" = "$(grep '^  "miou"' "$D/sc.json" | tr -d ' ,')" ] && ok || no "segment eval --central and eval of its predictions differ"

# ---- usage
try 2 $BIN segment; says "expected train, predict or eval"
try 2 $BIN segment train --out "$D/x"; says "expected one of --dataset"
try 2 $BIN segment train --dataset "$D/six" --soft --out "$D/x"; says "--soft, --psi-to and --mix go with"
try 2 $BIN segment train --dataset "$D/six" --psi-to 1 --out "$D/x"; says "--psi-to"
try 2 $BIN segment train --dataset "$D/six" --mix 0.5 --out "$D/x"; says "--mix"
try 1 $BIN segment train --dataset "$D/none" --out "$D/x"
done_testing
