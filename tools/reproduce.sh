#!/bin/sh
# The paper's experiment on the bundle: 16 annotated pictures -> interpreter -> dataset -> filter -> segmentation network -> scores on real
# photographs, beside transfer learning, semi-supervision and full supervision; then report.html and report.md.  Settings: tools/reproduce.conf.
# The same command goes on where it was stopped; what a changed setting does not touch is not done again.
# usage: tools/reproduce.sh BUILD OUT DATA [quick|default|paper]        (make reproduce; DATA/real/NNN.png with NNN_label.png, DATA/train_128/*.jpg)
set -eu
export LC_ALL=C
build=$1 out=$2 data=${3:-} PROFILE=${4:-default}
bin=$build/datasetgan
. "$(dirname "$0")/reproduce.conf"
if [ ! -d "$data/real" ]; then
    echo "reproduce: ${data:-DATA}/real: expected photographs NNN.png with NNN_label.png; DATA=DIR says where (README: the public set)" >&2
    exit 2
fi
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/methods.sh"
mkdir -p "$out/nets" "$out/scores" "$out/curves" "$out/sets"

has() { case " $METHODS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

interpreter interpreter "$TASK" "$SEED"
dataset dataset interpreter "$SAMPLES"
filtered filtered dataset "$DROP"
folds
step annotated "sets/annotated" "" split_set "$TASK" train "$out/sets/annotated"
: >"$out/runs.tsv"

if has ours; then
    ours_run ours-0 interpreter filtered "$SEED"
    scored ours-0 all
    cp "$out/nets/ours-0.safetensors" "$out/net.safetensors"
    printf 'ours\t0\tall\tours-0\n' >>"$out/runs.tsv"
fi
if has transfer || has semi; then
    transfer_run transfer-0 "$out/sets/annotated" annotated "$SEED"
    scored transfer-0 all
    printf 'transfer\t0\tall\ttransfer-0\n' >>"$out/runs.tsv"
fi
if has semi && [ -d "$data/train_128" ]; then
    semi_run semi-0 transfer-0 "$SEED"
    scored semi-0 all
    printf 'semi\t0\tall\tsemi-0\n' >>"$out/runs.tsv"
fi
if has supervised; then
    for k in $SUPERVISED; do
        for d in $DRAWS; do
            supervised_run "supervised-$k-$d" "$k" "$d"
            printf 'supervised-%s\t%s\tfold\tsupervised-%s-%s\n' "$k" "$d" "$k" "$d" >>"$out/runs.tsv"
        done
    done
fi
if has paper; then
    if [ "${TIMED_STEPS:-}" ]; then
        step timing "nets/timing.*" filtered "$bin" segment train --dataset "$out/filtered" $NET --batch "$PAPER_BATCH" $PAPER_ARGS --steps "$TIMED_STEPS" --out "$out/nets/timing.safetensors"
        awk -v n="$TIMED_STEPS" -v all=$((kept * PAPER_EPOCHS / PAPER_BATCH)) '{ printf "%d steps took %d s: all %d will take %.1f hours on this machine\n", n, $2, all, $2 / n * all / 3600 }' \
            "$out/steps/timing.done" | tee "$out/hours.txt"
        if [ "${TIMED_ONLY:-}" ]; then exit 0; fi
    fi
    paper_run paper-0
    printf 'paper\t0\tcheckpoints\tpaper-0\n' >>"$out/runs.tsv"
fi

predict_rows
cat "$out"/steps/*.done >"$out/times.tsv"
settings >"$out/settings.txt"
"$build/report" "$out" "$TASK" "$VIEW" "$out/folds/0"
echo
cat "$out/report.md"
echo
awk '{ s += $2; c += $3 } END { printf "all steps: %d s, %d s of processor time\n", s, c }' "$out/times.tsv"
echo "look at $out/report.html; the network is $out/net.safetensors"
