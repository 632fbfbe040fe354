# methods.sh: the methods that make reproduce and make sweeps compare (sourced after reproduce.conf and steps.sh).  Needs $bin, $build, $out, $data.
# A network NAME is nets/NAME.safetensors, its scores scores/NAME.json, the scores on its way curves/NAME/STEP.json.
# shellcheck disable=SC2086,SC2154

# The factory: interpreter NAME TASK SEED; dataset NAME INTERPRETER SAMPLES; filtered NAME DATASET DROP (sets kept, the samples that are left).
interpreter() { step "$1" "$1.safetensors*" "${4:-}" "$bin" train --task "$2" --seed "$3" $INTERPRETER_ARGS --out "$out/$1.safetensors"; }
dataset() { step "$1" "$1" "$2" "$bin" dataset --interpreter "$out/$2.safetensors" --count "$3" $DATASET_ARGS --out "$out/$1"; }
filtered() {
    step "$1" "$1" "$2" "$bin" filter --dataset "$out/$2" --drop "$3" --out "$out/$1"
    kept=$(awk 'END { print NR }' "$out/$1/metadata.jsonl")
}

# Links, so that no picture is stored twice: link FOLDER FILE...
link() {
    folder=$1
    shift
    mkdir -p "$folder"
    for f in "$@"; do case $f in /*) ln -sf "$f" "$folder/" ;; *) ln -sf "$PWD/$f" "$folder/" ;; esac; done
}

# split_set TASK SPLIT DIR: DIR/images and DIR/labels of one split of an annotation set.
split_set() {
    from=$(dirname "$1")
    tr -d '\n' <"$1" | sed 's/.*"items"//' | tr '}' '\n' | grep "\"split\" *: *\"$2\"" | sed 's/.*"image" *: *"\([^"]*\)".*"label" *: *"\([^"]*\)".*/\1 \2/' >"$3.list.tmp" || true
    while read -r image label; do
        link "$3/images" "$from/$image"
        link "$3/labels" "$from/$label"
    done <"$3.list.tmp"
    rm "$3.list.tmp"
}

# make_folds DATA N: the photographs by fold, links to DATA/real: folds/F.
make_folds() {
    i=0
    for label in "$1"/real/*_label.png; do
        link "$out/folds/$((i % $2))" "${label%_label.png}.png" "$label"
        i=$((i + 1))
    done
    [ $i -ge "$2" ] || { echo "$data/real: expected $FOLDS labelled photographs at least, found $i" >&2; return 1; }
}
folds() { step folds folds "" make_folds "$data" "$FOLDS"; }

# draw_real K DRAW DIR: K photographs (all: every one) outside fold DRAW, in the order of the SHA-256 of "DRAW NAME": a larger K holds a smaller one.
draw_real() {
    for f in "$out"/folds/*; do
        [ "${f##*/}" = "$2" ] || for p in "$f"/*_label.png; do echo "$(echo "$2 ${p##*/}" | sha256sum | cut -c1-64) ${p%_label.png}"; done
    done | sort | if [ "$1" = all ]; then cat; else head -n "$1"; fi | while read -r _ stem; do link "$3" "$(readlink "$stem.png")" "$(readlink "${stem}_label.png")"; done
}

# train NAME "STEPS BEFORE" ARGS...
train() {
    n=$1 after=$2
    shift 2
    keep=$((STEPS / POINTS))
    [ $keep -gt 0 ] || keep=1
    step "train-$n" "nets/$n.safetensors*" "$after" "$bin" segment train "$@" $NET --batch "$BATCH" --steps "$STEPS" --keep-every $keep $TRAIN_ARGS --out "$out/nets/$n.safetensors"
}

# evaluate NET FOLDER JSON ARGS...: labels are beside the photographs.
evaluate() {
    net=$1 folder=$2 json=$3
    shift 3
    "$bin" segment eval --net "$net" --images "$folder" --labels "$folder" --json "$json" --force "$@"
}

# score_curve NAME FOLDER ARGS...: the networks on the way.
score_curve() {
    curve=$out/curves/$1 nets=$out/nets/$1.safetensors photographs=$2
    shift 2
    mkdir -p "$curve"
    for step in "$nets".step*; do evaluate "$step" "$photographs" "$curve/${step##*.step}.json" "$@"; done
}

# scored NAME all|FOLD: on all photographs and their folds, or on those of one fold.
scored() {
    how="--task $TASK --view $VIEW $PREDICT_ARGS" folder=$out/folds/$2 folds=1
    if [ "$2" = all ]; then folder=$data/real folds=$FOLDS; fi
    step "score-$1" "scores/$1.json" "folds train-$1" evaluate "$out/nets/$1.safetensors" "$folder" "$out/scores/$1.json" --folds "$folds" $how
    step "curve-$1" "curves/$1" "folds train-$1" score_curve "$1" "$folder" --no-flips $how
}

# ours_run NAME INTERPRETER FILTERED SEED: on what the factory labelled.
ours_run() {
    if [ "$OURS_SOURCE" = online ]; then train "$1" "$2" --interpreter "$out/$2.safetensors" --task "$TASK" $DATASET_ARGS $OURS_ARGS --seed "$4"
    else train "$1" "$3" --dataset "$out/$3" --task "$TASK" $OURS_ARGS --seed "$4"; fi
}

# transfer_run NAME SET STEP-THAT-MADE-IT SEED: on the annotated generated pictures alone.
transfer_run() { train "$1" "$3" --dataset "$2" --task "$TASK" $TRANSFER_ARGS --seed "$4"; }

# semi_run NAME TEACHER SEED: pseudo-labels (Lee 2013), strongly augmented (Xie et al. 2020): the teacher, trained by transfer, labels unlabelled
# pictures; pixels it is not sure of are void; a new network learns from both.
semi_run() {
    step unlabelled sets/unlabelled "" "$build/pictures" cut 128 "$UNLABELLED" "$out/sets/unlabelled" "$data"/train_128/*.jpg
    step "pseudo-$1" "sets/pseudo-$1" "unlabelled train-$2" "$bin" segment predict --net "$out/nets/$2.safetensors" --in "$out/sets/unlabelled" \
        --min-confidence "$CONFIDENCE" --out "$out/sets/pseudo-$1" --force
    train "$1" "annotated pseudo-$1" --images "$out/sets/annotated/images" --labels "$out/sets/annotated/labels" --more-images "$out/sets/unlabelled" \
        --more-labels "$out/sets/pseudo-$1" --more-share "$SHARE" --task "$TASK" $SEMI_ARGS --seed "$3"
}

# supervised_run NAME K DRAW: on K photographs outside fold DRAW, sets/real-K-DRAW; scored on that fold.
supervised_run() {
    step "set-$2-$3" "sets/real-$2-$3" folds draw_real "$2" "$3" "$out/sets/real-$2-$3"
    train "$1" "set-$2-$3" --images "$out/sets/real-$2-$3" --labels "$out/sets/real-$2-$3" --task "$TASK" --view "$VIEW" $SUPERVISED_ARGS --seed "$3"
    scored "$1" "$3"
}

# The paper's row: a checkpoint an epoch; each fold in turn chooses one, which is scored on the others (by the report).
paper_run() {
    each=$(((kept + PAPER_BATCH - 1) / PAPER_BATCH))
    step "train-$1" "nets/$1.safetensors*" filtered "$bin" segment train --dataset "$out/filtered" --task "$TASK" $NET --batch "$PAPER_BATCH" $PAPER_ARGS --seed "$SEED" \
        --steps $((each * PAPER_EPOCHS_RUN)) --keep-every $each --out "$out/nets/$1.safetensors"
    step "curve-$1" "curves/$1" "folds train-$1" score_curve "$1" "$data/real" --no-flips --folds "$FOLDS" --task "$TASK" --view "$VIEW"
}

# What each method's first network says of fold 0, for the report's rows of pictures.
predict_rows() {
    cut -f 1,4 "$out/runs.tsv" | sort -u -k 1,1 | while read -r method net; do
        [ "$method" = paper ] || case $net in
        *-0) step "rows-$net" "rows/$net" "folds train-$net" "$bin" segment predict --net "$out/nets/$net.safetensors" --in "$out/folds/0" --out "$out/rows/$net" $PREDICT_ARGS --force ;;
        esac
    done
}

settings() {
    for v in PROFILE TASK SAMPLES DROP INTERPRETER_ARGS DATASET_ARGS NET BATCH STEPS TRAIN_ARGS PREDICT_ARGS SEED VIEW FOLDS METHODS OURS_SOURCE OURS_ARGS TRANSFER_ARGS \
        SEMI_ARGS UNLABELLED CONFIDENCE SHARE SUPERVISED SUPERVISED_ARGS DRAWS PAPER_ARGS PAPER_BATCH PAPER_EPOCHS PAPER_EPOCHS_RUN; do
        eval "printf '%s=%s\n' $v \"\${$v}\""
    done
}
