#!/bin/sh
# datasetgan sweep: every combination a row, scores of one fold said again by train and eval, going on after a kill.
. tests/cli_lib.sh
tiny_task "$D/tiny"
task=$D/tiny/task.json
sweep="$BIN sweep --task $task --folds 2"
try 0 $sweep --out "$D/s.json" members=1 epochs=0.5,1 width1=8,0 batch=256; prints "epochs=0.5 width1=8"; prints "epochs=1 width1=0"; prints "best: "; quiet
[ "$(grep -c '"settings": "members=1' "$D/s.json")" -eq 4 ] && ok || no "four rows"
lacks "$D/s.json.fold" "$D/s.json.fold.part"
before=$(hash_of "$D/s.json")
try 0 $sweep --out "$D/s.json" members=1 epochs=0.5,1 width1=8,0 batch=256; prints "measured before"
try 0 $sweep --out "$D/t.json" members=1 epochs=0.5,1 width1=8,0 batch=256 --threads 2
[ "$(hash_of "$D/s.json")" = "$before" ] && [ "$(hash_of "$D/t.json")" = "$before" ] && ok || no "again, and with two threads: the same bytes"

# ---- two pictures, two folds: each fold is a training on one and an evaluation on the other
sed 's/"seed": 1, "split": "train"/"seed": 1, "split": "one"/; s/"seed": 2, "split": "train"/"seed": 2, "split": "two"/' "$task" >"$D/tiny/split.json"
for pair in "one two" "two one"; do
    set -- $pair
    try 0 $BIN train --task "$D/tiny/split.json" --split $1 --members 1 --epochs 1 --width1 8 --batch 256 --out "$D/$1"
    try 0 $BIN eval --task "$D/tiny/split.json" --split $2 --interpreter "$D/$1"
    sed -n 's/^pixel accuracy  //p' "$D/out" >>"$D/accuracy"
done
want=$(awk '{ s += $1 } END { printf "%.3f", s / 2 }' "$D/accuracy")
got=$(awk '/epochs=1 width1=8/ { at = 1 } at && /pixel_accuracy/ { gsub(",", ""); printf "%.3f", $2; exit }' "$D/s.json")
[ "$got" = "$want" ] && ok || no "pixel accuracy over the folds: $got, by train and eval $want"

# ---- repeats, a recipe in the grid, killed and resumed
try 0 $sweep --out "$D/r.json" --repeats 2 members=1 recipe=default,paper epochs=0.2; prints "recipe=paper"
! grep -q '"sd": null' "$D/r.json" && ok || no "two seeds have a deviation"
$sweep --out "$D/k.json" members=1 epochs=0.5,1 width1=8,0 batch=256 >/dev/null 2>&1 &
pid=$!
while kill -0 $pid 2>/dev/null && [ ! -e "$D/k.json" ]; do sleep 0.01; done
kill -9 $pid 2>/dev/null
wait $pid 2>/dev/null
try 0 $sweep --out "$D/k.json" members=1 epochs=0.5,1 width1=8,0 batch=256; prints "measured before"
[ "$(hash_of "$D/k.json")" = "$before" ] && ok || no "resumed: the same bytes"
lacks "$D/k.json.fold" "$D/k.json.fold.part"

# ---- what does not fit
try 1 $sweep --out "$D/s.json" members=1; says "is not of this sweep"
try 0 $sweep --out "$D/s.json" members=1 epochs=0.2 --force; prints "best: members=1"
for bad in "speed=3" "epochs=fast" "epochs=" "epochs=1,,2" "epochs" "=1" "standardise=maybe" "recipe=none"; do
    try 2 $sweep --out "$D/x.json" "$bad"; lacks "$D/x.json"
done
try 2 $sweep --out "$D/x.json" epochs=1 epochs=2; says "named twice"
try 2 $sweep --out "$D/x.json" batch=1.5 ; says "batch"
try 2 $sweep --out "$D/x.json" members=1.5; says "members"
try 2 $sweep --out "$D/x.json" width1=0.5; says "width1"
try 2 $BIN sweep --task "$task" --folds 3 --out "$D/x.json"; says "expected 2 to 2"
try 2 $sweep --out "$D/x.json" lr=-1; says "lr"
lacks "$D/x.json" "$D/x.json.fold"
done_testing
