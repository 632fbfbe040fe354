#!/bin/sh
# Are the pictures that `prepare --choose` names worth more than random ones?  The labeller is an interpreter trained on the bundle's 16 annotated pictures, so
# that any picture can be "annotated"; students of 3 members learn from a few of its pictures and are scored on the 8 annotated test pictures and
# on how they agree with the labeller on 100 new ones.  Windows of 1000 seeds, each with its own choice and its own random pictures.
# usage: choose.sh PROGRAM OUT-FOLDER [WINDOWS, default 5]        (a quarter of an hour of processor time; figures: docs/TRAINING.md)
set -eu
bin=$1 out=$2 windows=${3:-5}
mkdir -p "$out"
cd "$out"
printf 'background\nred blood cell\ncytoplasm\nnucleus\n' >names.txt
new=$(seq -s, 900000 900099)
"$bin" train --out teacher >/dev/null
"$bin" label --interpreter teacher --seeds "$new" --out truth >/dev/null

# seeds FOLDER: those of prepare's pictures, with commas.
seeds() { for f in "$1"/images/*.png; do f=${f##*/seed}; printf '%s\n' "$f" | sed 's/^0*//; s/\.png$//; s/^$/0/'; done | paste -sd,; }
# student NAME WHAT SEEDS: learns from the labeller's labels of these pictures; prints its two scores.  NAME.i stays.
student() {
    rm -rf todo labels given set got
    "$bin" prepare --classes names.txt --seeds "$3" --out todo >/dev/null
    "$bin" label --interpreter teacher --seeds "$3" --out labels >/dev/null
    mkdir given
    for f in labels/labels/*.png; do name=${f##*/}; mv "$f" "given/seed$(printf %04d "$(echo "${name%.png}" | sed 's/^0*//')").png"; done
    "$bin" import --from png --in given --task todo/task.json --out set >/dev/null
    "$bin" train --task set/task.json --out "$1.i" --members 3 --epochs 3 >/dev/null
    "$bin" label --interpreter "$1.i" --seeds "$new" --out got >/dev/null
    "$bin" eval --interpreter "$1.i" --json held.json --force >/dev/null
    "$bin" eval --pred got/labels --truth truth/labels --json agree.json --force >/dev/null
    echo "$2 $(sed -n 's/.*"miou": *\([0-9.]*\).*/\1/p' held.json agree.json | paste -sd' ') $1"
}
# random N FROM SEED: N of the 1000 seeds from FROM on.
random() {
    LC_ALL=C awk -v n="$1" -v from="$2" -v seed="$3" 'BEGIN { srand(seed); while (k < n) { s = from + int(1000 * rand()); if (!(s in had)) { had[s]; printf "%s%d", k++ ? "," : "", s } } }'
}
for w in $(seq "$windows"); do
    from=$((w * 1000))
    for n in 4 8; do
        "$bin" prepare --classes names.txt --choose $n --from 1000 --first-seed $from --out "c$n-$w" >/dev/null
        student "chosen$n-$w" "$n-chosen" "$(seeds "c$n-$w")"
        for r in 1 2; do student "random$n-$w-$r" "$n-random" "$(random $n $from $((10 * w + r)))"; done
    done
    # 4 random ones first; then the 4 that the student of those is least sure of.
    "$bin" prepare --classes names.txt --choose 4 --from 1000 --first-seed $from --interpreter "random4-$w-1.i" --out "u$w" >/dev/null
    student "unsure-$w" 4-random+4-unsure "$(random 4 $from $((10 * w + 1))),$(seeds "u$w")"
done | tee scores.txt
LC_ALL=C awk '{ n[$1]++; h[$1] += $2; hh[$1] += $2 * $2; a[$1] += $3; aa[$1] += $3 * $3; if (!($1 in low) || $3 < low[$1]) low[$1] = $3 }
    function sd(ss, s, n) { return n > 1 ? sqrt((ss - s * s / n) / (n - 1)) : 0 }
    END { for (k in n) printf "%-20s %2d sets  test pictures %.4f sd %.4f  agreement %.4f sd %.4f lowest %.4f\n", k, n[k], h[k] / n[k], sd(hh[k], h[k], n[k]), a[k] / n[k], sd(aa[k], a[k], n[k]), low[k] }' scores.txt | sort
