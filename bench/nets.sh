#!/bin/sh
# Which network learns the bundle's task best in the same processor time?  Each learns from DATASET/images with one thread for SECONDS of processor
# time (its steps are counted from a timed start, warm-up left out) and is scored on the 8 annotated test pictures, whose labels are a person's, and on
# HELD, samples of the factory from other seeds.  Prints rows of a table; no photograph is looked at.
# usage: [SIZE=128 BATCH=16] nets.sh PROGRAM DATASET HELD OUT-FOLDER SECONDS [NET...]        NET: light:WIDTH, resnet18, ...; figures: docs/TRAINING.md
set -eu
export LC_ALL=C OMP_NUM_THREADS=1
bin=$1 set=$2 held=$3 out=$4 seconds=$5
shift 5
. "$(dirname "$0")/../tools/steps.sh"
notes=$(dirname "$0")/../weights/blood128/annotations
mkdir -p "$out/test/images" "$out/test/labels"
for f in "$notes"/images/seed1*.png; do cp "$f" "$out/test/images/"; cp "$notes/labels/${f##*/}" "$out/test/labels/"; done

# cpu STEPS NAME: trains so many steps; the processor seconds that took (in a shell of its own: those of its children).
cpu() {
    rm -f "$out/$2".*
    # shellcheck disable=SC2086
    "$bin" segment train --dataset "$set" $net --size "${SIZE:-128}" --batch "${BATCH:-16}" --steps "$1" --lr 0.003 --threads 1 --out "$out/$2.safetensors" --force >"$out/$2.log"
    times >"$out/times"
    children "$out/times"
}
miou() { "$bin" segment eval --net "$out/$1.safetensors" --images "$2/images" --labels "$2/labels" --threads 1 --json "$out/$1.json" --force >/dev/null && sed -n 's/^  "miou": *\([0-9.]*\).*/\1/p' "$out/$1.json"; }

echo "| network | numbers | steps | processor s a step | mIoU, 8 labelled pictures | mIoU, held samples |"
echo "|---|---|---|---|---|---|"
for n in ${*:-light:8 light:16 light:24 light:32 resnet18}; do
    case $n in light:*) net="--net light --width ${n#light:}" ;; *) net="--net $n" ;; esac
    name=$(echo "$n" | tr -d :)
    few=$(cpu 4 start) more=$(cpu 24 start)
    steps=$(awk -v a="$few" -v b="$more" -v s="$seconds" 'BEGIN { n = int(s / ((b - a) / 20)); print n < 1 ? 1 : n }')
    took=$(cpu "$steps" "$name")
    size=$(($(wc -c <"$out/$name.safetensors") / 4))
    awk -v n="$n" -v size="$size" -v steps="$steps" -v t="$took" -v a="$(miou "$name" "$out/test")" -v b="$(miou "$name" "$held")" \
        'BEGIN { printf "| %s | %.2f M | %d | %.2f | %.4f | %.4f |\n", n, size / 1e6, steps, t / steps, a, b }'
done
