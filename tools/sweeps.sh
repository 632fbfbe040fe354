#!/bin/sh
# The paper's ablations on the bundle: table 3 (size of the set), table 4 (share dropped), table 5 (against full supervision), table 6 (which pictures
# are annotated), figure 6 (their number, ours and transfer), how many steps each method needs, and what ours learns from (a kept set's votes, or new
# samples all the time, by vote or by mean probability).  mIoU on all photographs, mean ± sd.  Settings: tools/reproduce.conf.
# Takes hours; the same command goes on where it was stopped.  SWEEPS chooses some of them, SEEDS the repetitions.  Tables: OUT/*.md.
# Processes with other SEEDS may share OUT and the work; once they have ended, the command with all SEEDS writes the tables.
# usage: tools/sweeps.sh BUILD OUT DATA        (make sweeps)
# shellcheck disable=SC2154
set -eu
export LC_ALL=C
build=$1 out=$2 data=${3:-}
bin=$build/datasetgan
. "$(dirname "$0")/reproduce.conf"
: "${SWEEPS:=number size drop full which steps source}" "${SEEDS:=0 1 2}"
: "${NUMBERS:=1 2 4 8 16}" "${SIZES:=250 500 1000 2000 4000}" "${DROPS:=0 0.05 0.1 0.2}" "${FULL:=1 4 16 all}" "${ACTIVE:=1 4 8}" "${STEPS_LIST:=$((STEPS / 2)) $STEPS $((2 * STEPS))}"
if [ ! -d "$data/real" ]; then
    echo "sweeps: ${data:-DATA}/real: expected photographs NNN.png with NNN_label.png; DATA=DIR says where" >&2
    exit 2
fi
. "$(dirname "$0")/steps.sh"
. "$(dirname "$0")/methods.sh"
mkdir -p "$out/nets" "$out/scores" "$out/curves" "$out/sets"
wants() { case " $SWEEPS " in *" $1 "*) return 0 ;; *) return 1 ;; esac; }

# ---- annotation sets with some of the pictures

items() { tr -d '\n' <"$1" | sed 's/}/}\n/g'; }                   # an item a line
train_images() { items "$TASK" | grep '"split" *: *"train"' | sed 's/.*"image" *: *"\([^"]*\)".*/\1/'; }
seed_of() { items "$TASK" | grep "\"image\" *: *\"$1\"" | sed 's/.*"seed" *: *\([0-9]*\).*/\1/'; }

# subset LIST DIR: the task with only the training pictures that LIST names, a line each; the others are of split "unused".  DIR/train: a dataset of them.
subset() {
    from=$(cd "$(dirname "$TASK")" && pwd)
    mkdir -p "$2"
    ln -sfn "$from/images" "$2/images"
    ln -sfn "$from/labels" "$2/labels"
    items "$TASK" | awk -v list="$1" -v from="$from" '
        BEGIN { while ((getline name < list) > 0) chosen[name] = 1 }
        {
            sub(/"file" *: *"/, "&" from "/")
            image = $0
            sub(/.*"image" *: *"/, "", image)
            sub(/".*/, "", image)
            if (!(image in chosen)) sub(/"split" *: *"train"/, "\"split\": \"unused\"")
            print
        }' >"$2/task.json"
    split_set "$2/task.json" train "$2/train"
}
# by_draw N DRAW DIR: N pictures in the order of the SHA-256 of "DRAW IMAGE": a larger N holds a smaller one.
by_draw() {
    mkdir -p "$3"
    train_images | while read -r image; do echo "$(echo "$2 $image" | sha256sum | cut -c1-64) $image"; done | sort | head -n "$1" | sed 's/^[^ ]* //' >"$3/list"
    subset "$3/list" "$3"
}
# by_doubt N DIR FROM INTERPRETER: FROM's pictures and those of the others of which INTERPRETER is least sure, N in all (active learning by the ensemble).
by_doubt() {
    mkdir -p "$2"
    cp "$3/list" "$2/list"
    others=$(train_images | grep -vxF -f "$3/list")
    seeds=$(for image in $others; do seed_of "$image"; done | paste -sd , -)
    "$bin" label --interpreter "$4" --seeds "$seeds" --out "$2/doubt" --force
    for image in $others; do
        echo "$(grep "\"seed\": *$(seed_of "$image")[,}]" "$2/doubt/metadata.jsonl" | sed 's/.*"uncertainty": *\([0-9.e-]*\).*/\1/') $image"
    done | sort -rg | head -n $(($1 - $(wc -l <"$3/list"))) | sed 's/^[^ ]* //' >>"$2/list"
    subset "$2/list" "$2"
}

# ---- rows and tables

# row SWEEP METHOD VALUE NAME: the scores of a network, kept for the table.
row() {
    echo "$2 $3 $(awk -F'[:,]' '/^  "miou"/ { m = $2 } /^  "foreground_iou"/ { f = $2 } END { print m, f }' "$out/scores/$4.json")" >>"$out/$1.tsv"
}
# write_table SWEEP TITLE COLUMN
write_table() {
    {
        printf '%s\n\n| method | %s | runs | mIoU | whole cell |\n|---|---|---|---|---|\n' "$2" "$3"
        awk '{
                key = $1 " | " $2
                if (!(key in n)) order[++keys] = key
                n[key]++; s[key] += $3; ss[key] += $3 * $3; f[key] += $4; ff[key] += $4 * $4
            }
            function sd(s, ss, n, v) { v = n > 1 ? (ss - s * s / n) / (n - 1) : 0; return sqrt(v > 0 ? v : 0) }
            END { for (i = 1; i <= keys; i++) { k = order[i]; printf "| %s | %d | %.4f ± %.4f | %.4f ± %.4f |\n", k, n[k], s[k] / n[k], sd(s[k], ss[k], n[k]), f[k] / n[k], sd(f[k], ff[k], n[k]) } }' "$out/$1.tsv"
    } >"$out/$1.md"
    echo
    cat "$out/$1.md"
}
# ours_of INTERPRETER SAMPLES DROP SEED: ours of so many samples; $ours is the network's name, by what made it: no two sweeps train it twice.
ours_of() {
    of=${1#interpreter-}-$2
    ours=ours-$of-$3-$STEPS
    dataset "dataset-$of" "$1" "$2"
    filtered "filtered-$of-$3" "dataset-$of" "$3"
    ours_run "$ours" "$1" "filtered-$of-$3" "$4"
    scored "$ours" all
}
# at_random N DRAW: ours of N pictures in the order of DRAW.
at_random() {
    some=random-$1-$2
    step "set-$some" "sets/$some" "" by_draw "$1" "$2" "$out/sets/$some"
    interpreter "interpreter-$some" "$out/sets/$some/task.json" "$2" "set-$some"
    ours_of "interpreter-$some" "$SAMPLES" "$DROP" "$2"
}

# Variables of these loops are of no function above and in steps.sh and methods.sh: a shell has one of each name.
folds
if wants number; then
    : >"$out/number.tsv"
    for size in $NUMBERS; do
        for draw in $SEEDS; do
            at_random "$size" "$draw"
            row number ours "$size" "$ours"
            transfer=transfer-random-$size-$draw-$STEPS
            transfer_run "$transfer" "$out/sets/random-$size-$draw/train" "set-random-$size-$draw" "$draw"
            scored "$transfer" all
            row number transfer "$size" "$transfer"
        done
    done
    write_table number "Number of annotated pictures (the paper's figure 6); draws and seeds $SEEDS, $STEPS steps" "annotated pictures"
fi
if wants which; then
    : >"$out/which.tsv"
    for draw in $SEEDS; do
        grown=
        for size in $ACTIVE; do
            at_random "$size" "$draw"
            row which at-random "$size" "$ours"
            fewer=$grown grown=active-$size-$draw
            if [ -z "$fewer" ]; then grown=random-$size-$draw; continue; fi
            step "set-$grown" "sets/$grown" "interpreter-$fewer" by_doubt "$size" "$out/sets/$grown" "$out/sets/$fewer" "$out/interpreter-$fewer.safetensors"
            interpreter "interpreter-$grown" "$out/sets/$grown/task.json" "$draw" "set-$grown"
            ours_of "interpreter-$grown" "$SAMPLES" "$DROP" "$draw"
            row which by-doubt "$size" "$ours"
        done
    done
    write_table which "Which pictures are annotated (the paper's table 6): at random, or those the ensemble is least sure of" "annotated pictures"
fi
if wants size || wants drop || wants full || wants steps || wants source; then
    step annotated "sets/annotated" "" split_set "$TASK" train "$out/sets/annotated"
    for draw in $SEEDS; do interpreter "interpreter-$draw" "$TASK" "$draw"; done
fi
if wants size; then
    : >"$out/size.tsv"
    for size in $SIZES; do for draw in $SEEDS; do ours_of "interpreter-$draw" "$size" "$DROP" "$draw"; row size ours "$size" "$ours"; done; done
    write_table size "Size of the generated set (the paper's table 3)" samples
fi
if wants drop; then
    : >"$out/drop.tsv"
    for share in $DROPS; do for draw in $SEEDS; do ours_of "interpreter-$draw" "$SAMPLES" "$share" "$draw"; row drop ours "$share" "$ours"; done; done
    write_table drop "Share of the most uncertain samples left out (the paper's table 4)" share
fi
if wants full; then
    : >"$out/full.tsv"
    for draw in $SEEDS; do ours_of "interpreter-$draw" "$SAMPLES" "$DROP" "$draw"; row full ours 0 "$ours"; done
    for shots in $FULL; do for draw in $SEEDS; do supervised_run "supervised-$shots-$draw-$STEPS" "$shots" "$draw"; row full supervised "$shots" "supervised-$shots-$draw-$STEPS"; done; done
    write_table full "Against photographs labelled by hand (the paper's table 5); supervised draw d: on fold d alone" "labelled photographs"
fi
# online NAME INTERPRETER SEED [--soft]: ours of samples drawn as they are needed.
online() {
    (
        OURS_SOURCE=online OURS_ARGS="$OURS_ARGS ${4:-}"
        ours_run "$1" "$2" "" "$3"
        scored "$1" all
    )
}
if wants source; then
    : >"$out/source.tsv"
    for draw in $SEEDS; do
        ours_of "interpreter-$draw" "$SAMPLES" "$DROP" "$draw"
        row source votes "$STEPS" "$ours"
        online "ours-online-$STEPS-$draw" "interpreter-$draw" "$draw"
        row source votes-online "$STEPS" "ours-online-$STEPS-$draw"
        online "ours-soft-$STEPS-$draw" "interpreter-$draw" "$draw" --soft
        row source mean-online "$STEPS" "ours-soft-$STEPS-$draw"
    done
    write_table source "What ours learns from: the ensemble's votes on a set without its most uncertain part, or on new samples all the time, or their mean probabilities" steps
fi
if wants steps; then
    : >"$out/steps.tsv"
    for STEPS in $STEPS_LIST; do
        for draw in $SEEDS; do
            ours_of "interpreter-$draw" "$SAMPLES" "$DROP" "$draw"
            row steps ours "$STEPS" "$ours"
            transfer_run "transfer-steps-$STEPS-$draw" "$out/sets/annotated" annotated "$draw"
            scored "transfer-steps-$STEPS-$draw" all
            row steps transfer "$STEPS" "transfer-steps-$STEPS-$draw"
            if [ -d "$data/train_128" ]; then
                semi_run "semi-steps-$STEPS-$draw" "transfer-steps-$STEPS-$draw" "$draw"
                scored "semi-steps-$STEPS-$draw" all
                row steps semi "$STEPS" "semi-steps-$STEPS-$draw"
            fi
            for shots in $SUPERVISED; do
                supervised_run "supervised-$shots-$draw-$STEPS" "$shots" "$draw"
                row steps "supervised-$shots" "$STEPS" "supervised-$shots-$draw-$STEPS"
            done
        done
    done
    write_table steps "Steps of each method (a method trained too short would show here; supervised draw d: on fold d alone)" steps
fi
