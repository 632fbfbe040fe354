#!/bin/sh
# make reproduce on the smallest sizes: every number of the report is that of the JSON it comes from; the same command does nothing; what a
# setting does not touch is not done again.  Photographs: ../shared/data/blood, skipped where that is not there.
. tests/cli_lib.sh
DATA=$PWD/../shared/data/blood
O=$D/o
run() { tools/reproduce.sh "$BUILD" "$O" "$D/data" quick; }

try 2 tools/reproduce.sh "$BUILD" "$O" "$D/none" quick; says "expected photographs"
[ -d "$DATA/real" ] && [ -d "$DATA/train_128" ] || { skip "no photographs in ../shared/data/blood"; done_testing; }

mkdir -p "$D/data/real" "$D/data/train_128"
for i in 01 02 03 04 05 06; do ln -s "$DATA/real/0$i.png" "$DATA/real/0${i}_label.png" "$D/data/real/"; done
ln -s "$DATA/train_128/000.jpg" "$D/data/train_128/"
small_task "$D/set"
export TASK="$D/set/task.json" INTERPRETER_ARGS="--members 1 --epochs 0.05 --width1 16 --width2 8" SAMPLES=6 UNLABELLED=3 FOLDS=3 NET="--net light --width 4 --size 32" \
    BATCH=2 STEPS=4 POINTS=2 SUPERVISED="1 all" DRAWS="0 1" PAPER_BATCH=2 PAPER_EPOCHS_RUN=2
try 0 run
prints "the network is $O/net.safetensors"
holds "$O/net.safetensors" "$O/report.md" "$O/report.html"

# ---- the report against the files it comes from
number() { awk -F'[:,]' -v k="\"$2\"" '$1 ~ "^  " k { gsub(/ /, "", $2); print $2; exit }' "$1"; }       # number FILE KEY: at the top
of_folds() { awk -F'[:,]' -v k="\"$2\"" '$1 ~ "^      " k { print $2 }' "$1"; }
mean_sd() { awk '{ v[NR] = $1; s += $1 } END { m = s / NR; for (i = 1; i <= NR; i++) q += (v[i] - m) ^ 2; printf "%.4f ± %.4f", m, sqrt(q / (NR - 1)) }'; }
# cell ROW COLUMN: of the first table of report.md
cell() { awk -F' *[|] *' -v row="$1" -v c="$2" 'index($2, row) == 1 { print $(c + 1); exit }' "$O/report.md"; }
is() { [ "$1" = "$2" ] && ok || no "$3: the report says $1, the scores $2"; }
for m in ours transfer semi; do
    case $m in ours) row=DatasetGAN ;; *) row=$m ;; esac
    f=$O/scores/$m-0.json
    is "$(cell "$row" 2)" "$(of_folds "$f" miou | mean_sd)" "$m, mIoU"
    is "$(cell "$row" 3)" "$(of_folds "$f" official_miou | mean_sd)" "$m, official mIoU"
    is "$(cell "$row" 7)" "$(of_folds "$f" foreground_iou | mean_sd)" "$m, whole cell"
    is "$(cell "$row" 8)" "$(of_folds "$f" miou | head -n 2 | mean_sd)" "$m, folds 0 and 1"
done
for k in "1 real picture" all; do
    case $k in all) row="fully supervised, every" ;; *) row="fully supervised, k = 1" ;; esac
    n=${k%% *}
    is "$(cell "$row" 2)" "$({ number "$O/scores/supervised-$n-0.json" miou; number "$O/scores/supervised-$n-1.json" miou; } | mean_sd)" "supervised $n, mIoU"
    is "$(cell "$row" 7)" "$({ number "$O/scores/supervised-$n-0.json" foreground_iou; number "$O/scores/supervised-$n-1.json" foreground_iou; } | mean_sd)" "supervised $n, whole cell"
done
[ -n "$(cell "the paper" 2)" ] && ok || no "no row of the paper's protocol"
# A draw learns from nothing that it is scored on.
for d in 0 1; do
    for f in "$O/sets/real-all-$d"/*.png; do [ -e "$O/folds/$d/${f##*/}" ] && no "draw $d learns from ${f##*/} of fold $d"; done
    [ "$(ls "$O/sets/real-all-$d" | wc -l)" -eq 8 ] && ok || no "draw $d: expected the 4 photographs of the other folds"
done
grep -qE '(src|href)="?(http|//|[^d"])|url\(|@import' "$O/report.html" && no "report.html needs other files" || ok
[ "$(wc -c <"$O/report.html")" -lt 10000000 ] && ok || no "report.html is too large"
[ "$(grep -o '<img' "$O/report.html" | wc -l)" -eq 8 ] && ok || no "report.html: expected 2 rows of 4 pictures"
cmp -s "$O/net.safetensors" "$O/nets/ours-0.safetensors" && ok || no "net.safetensors is not ours"

# ---- again, and with another setting
cp "$O/report.md" "$D/first.md"
hash_of "$O/nets" >"$D/nets"
try 0 run
grep -q "processor time\$" "$D/out" && [ "$(grep -c "s of processor time\$" "$D/out")" -gt 1 ] && no "the same command did something again: $(head -n 1 "$D/out")" || ok
same "$O/report.md" "$D/first.md" "the report of the same command"
[ "$(hash_of "$O/nets")" = "$(cat "$D/nets")" ] && ok || no "the same command changed networks"
export PAPER_EPOCHS_RUN=1
try 0 run
prints "train-paper-0"
grep -q "train-ours-0 \|^dataset " "$D/out" && no "another number of the paper's epochs trained ours again" || ok
# What lies behind a changed step is done again, though its own command is the same; what lies before it is not.
export DROP=0.5
try 0 run
prints "filtered "; prints "train-ours-0"
grep -q "^dataset \|train-transfer-0 " "$D/out" && no "another share to drop drew the samples or trained transfer again" || ok

# ---- make sweeps: every table has a row for each method and value, of all draws; the same command does nothing.  (The same programs again: not for sanitizers.)
[ -z "$QUICK" ] || done_testing
export SEEDS="0 1" NUMBERS="1 2" SIZES="3 6" DROPS="0 0.5" FULL="1 all" ACTIVE="1 2" STEPS_LIST="2 4" SUPERVISED=1
sweeps() { tools/sweeps.sh "$BUILD" "$D/sweeps" "$D/data"; }
try 0 sweeps
rows() { sed -n 's/^| \([a-z0-9-]*\) | \([0-9a-z.]*\) | 2 | 0*\.[0-9]* ± .*/\1 \2/p' "$D/sweeps/$1.md" | paste -sd , -; }
is "$(rows number)" "ours 1,transfer 1,ours 2,transfer 2" "sweeps, number"
is "$(rows which)" "at-random 1,at-random 2,by-doubt 2" "sweeps, which"
is "$(rows size)" "ours 3,ours 6" "sweeps, size"
is "$(rows drop)" "ours 0,ours 0.5" "sweeps, drop"
is "$(rows full)" "ours 0,supervised 1,supervised all" "sweeps, full"
is "$(rows source)" "votes $STEPS,votes-online $STEPS,mean-online $STEPS" "sweeps, source"
is "$(rows steps)" "ours 2,transfer 2,semi 2,supervised-1 2,ours 4,transfer 4,semi 4,supervised-1 4" "sweeps, steps"
for d in 0 1; do
    head -n 1 "$D/sweeps/sets/active-2-$d/list" >"$D/began"
    same "$D/sweeps/sets/random-1-$d/list" "$D/began" "sweeps: both ways begin with the same picture"
    [ "$(wc -l <"$D/sweeps/sets/active-2-$d/list")" -eq 2 ] && ok || no "sweeps: expected 2 pictures by doubt"
done
cp "$D/sweeps/number.md" "$D/number.md"
try 0 sweeps
grep -q "s of processor time\$" "$D/out" && no "sweeps: the same command did something again: $(head -n 1 "$D/out")" || ok
same "$D/sweeps/number.md" "$D/number.md" "sweeps: the table of the same command"
done_testing
