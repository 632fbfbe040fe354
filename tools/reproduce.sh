#!/bin/sh
# The paper's experiment on the bundle: 16 annotated pictures -> interpreter -> dataset -> filter -> segmentation network -> scores on real
# photographs, beside transfer learning, semi-supervision and full supervision; then report.html and report.md.  Settings: tools/reproduce.conf.
# The same command goes on where it was stopped; what a changed setting does not touch is not done again.
# usage: tools/reproduce.sh BUILD OUT DATA [quick|default|paper [WORKER]]      (make reproduce; DATA/real/NNN.png with NNN_label.png, DATA/train_128/*.jpg)
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
began_all=$(date +%s)

has() { case " $METHODS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

interpreter interpreter "$TASK" "$SEED"
dataset dataset interpreter "$SAMPLES"
filtered filtered dataset "$DROP"
folds
step annotated "sets/annotated" "" split_set "$TASK" train "$out/sets/annotated"

# Networks: "method draw scored-on name", a line each (runs.tsv is for the report); one_network METHOD DRAW NAME.
networks() {
    if has ours; then echo "ours 0 all ours-0"; fi
    if has transfer || has semi; then echo "transfer 0 all transfer-0"; fi
    if has semi && [ -d "$data/train_128" ]; then echo "semi 0 all semi-0"; fi
    if has supervised; then for k in $SUPERVISED; do for d in $DRAWS; do echo "supervised-$k $d fold supervised-$k-$d"; done; done; fi
    if has paper; then echo "paper 0 checkpoints paper-0"; fi
}
one_network() {
    case $1 in
    ours) ours_run "$3" interpreter filtered "$SEED"; scored "$3" all ;;
    transfer) transfer_run "$3" "$out/sets/annotated" annotated "$SEED"; scored "$3" all ;;
    semi) transfer_run transfer-0 "$out/sets/annotated" annotated "$SEED"; semi_run "$3" transfer-0 "$SEED"; scored "$3" all ;;
    supervised-*) supervised_run "$3" "${1#supervised-}" "$2" ;;
    paper) paper_run "$3" ;;
    esac
}

# Two trainings of one thread keep two processors busier than one of two threads (bench/LOG.md): this script runs WORKERS times beside itself, and each goes
# through all networks, leaving out what another is at, until none is left.  Results do not depend on the threads.
work() {
    leave_busy=yes left=yes
    while [ "$left" ]; do
        left=
        while read -r method draw _ name; do
            [ ! -e "$out/failed" ] || exit 1
            set +e
            (set -e; one_network "$method" "$draw" "$name") </dev/null
            rc=$?
            set -e
            case $rc in 0) ;; "$BUSY") left=yes ;; *) : >"$out/failed"; exit $rc ;; esac
        done <"$out/networks.txt"
        [ -z "$left" ] || sleep 1
    done
}
if [ "${5:-}" ]; then work; exit 0; fi

if has paper && [ "${TIMED_STEPS:-}" ]; then
    step timing "nets/timing.*" filtered "$bin" segment train --dataset "$out/filtered" $NET --batch "$PAPER_BATCH" $PAPER_ARGS --steps "$TIMED_STEPS" --out "$out/nets/timing.safetensors"
    awk -v n="$TIMED_STEPS" -v all=$((kept * PAPER_EPOCHS / PAPER_BATCH)) '{ printf "%d steps took %d s: all %d will take %.1f hours on this machine\n", n, $2, all, $2 / n * all / 3600 }' \
        "$out/steps/timing.done" | tee "$out/hours.txt"
    if [ "${TIMED_ONLY:-}" ]; then exit 0; fi
fi

networks >"$out/networks.txt"
processors=$(nproc) most=$(wc -l <"$out/networks.txt")
: "${WORKERS:=$((processors < 4 ? processors : 4))}"
WORKERS=$((WORKERS < most ? WORKERS : most))              # one network alone has all threads
rm -f "$out/failed"
seq "$WORKERS" | xargs -r -n 1 -P "$WORKERS" env OMP_NUM_THREADS=$((processors > WORKERS ? processors / WORKERS : 1)) "$0" "$build" "$out" "$data" "$PROFILE" || exit 1
tr ' ' '\t' <"$out/networks.txt" >"$out/runs.tsv"
if has ours; then cp "$out/nets/ours-0.safetensors" "$out/net.safetensors"; fi

predict_rows
cat "$out"/steps/*.done >"$out/times.tsv"
settings >"$out/settings.txt"
"$build/report" "$out" "$TASK" "$VIEW" "$out/folds/0"
echo
cat "$out/report.md"
echo
awk -v s=$(($(date +%s) - began_all)) '{ c += $3 } END { printf "this call: %d s; all steps: %d s of processor time\n", s, c }' "$out/times.tsv"
echo "look at $out/report.html; the network is $out/net.safetensors"
