#!/bin/sh
# SIGKILL at moments spread evenly over runs of dataset, a shard, filter, merge and train, and over prepare, every import and every export: the same command
# then ends with the bytes of an undisturbed run, and no sample is lost that was listed.  KILLS=100 (`make faults`): so many; a test run has a few.
. tests/cli_lib.sh
in_memory
KILLS=${KILLS:-5}
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/i"
common="--generator $TINY --interpreter $D/i --threads 1"
inside=0 killed=0 least=999999 most=0

now() { date +%s%N; }
listed() { cat "$1/metadata.jsonl" 2>/dev/null | wc -l; }
drawn() { find "$1" -name '*.png*' 2>/dev/null | wc -l; }

# moments NAME N OUT MARK COMMAND...: kill COMMAND (which writes OUT, and MARK last) N times.
moments() {
    name=$1 n=$2 out=$3 mark=$4
    shift 4
    begin=$(now)
    try 0 $BIN "$@"
    took=$((($(now) - begin) / 1000))
    rm -rf "$D/want"
    mv "$out" "$D/want"
    for i in $(seq 1 "$n"); do
        at=$((took * (2 * i - 1) / (2 * n)))
        got=0
        for again in 1 2 3 4 5 6; do                     # on a machine that others use, too, some runs are faster than the first
            timeout --foreground -s KILL "$(printf '%d.%06d' $((at / 1000000)) $((at % 1000000)))" $BIN "$@" >"$D/out" 2>"$D/err"
            got=$?
            forget_dead
            [ $got -eq 0 ] && [ $again -lt 6 ] || break
            at=$((at * 3 / 4))
            rm -rf "$out"
        done
        part=$out
        [ -d "$out.tmp" ] && part=$out.tmp
        before=$(listed "$part") files=$(drawn "$part")
        if [ $got -eq 137 ]; then
            killed=$((killed + 1))
            where="before or after its work"
            if { [ -e "$part" ] || [ -e "$out.part" ]; } && [ ! -e "$mark" ]; then
                inside=$((inside + 1)) where="inside"
                [ "$before" -lt $least ] && least=$before
                [ "$before" -gt $most ] && most=$before
            fi
            echo "  ok   $name killed after $((at / 1000)) ms, $where: $before samples listed, $files pictures and labels there"
        fi
        if [ -e "$out/metadata.jsonl" ]; then head -n "$before" "$out/metadata.jsonl" >"$D/before"; else : >"$D/before"; fi
        try 0 $BIN "$@"
        [ ! -s "$D/before" ] || [ "$(head -n "$(wc -l <"$D/before")" "$out/metadata.jsonl" | cmp - "$D/before" 2>&1)" = "" ] && ok || no "$name: a listed sample was lost"
        case $name in
            dataset) resumed=$(sed -n 's/^\([0-9]*\) samples in .* \([0-9]*\) of them made now.*/\1 \2/p' "$D/out")
                [ $((${resumed% *} - ${resumed#* })) -ge "$before" ] && ok || no "dataset: $before samples were listed, $resumed" ;;
        esac
        same "$out" "$D/want" "$name killed after $((at / 1000)) ms, then again"
        rm -rf "$out" "$out.tmp" "$out.part"
    done
    mv "$D/want" "$out"
}

samples=200
[ "$KILLS" -gt 50 ] && samples=600
moments dataset $((KILLS * 45 / 100)) "$D/d" "$D/d/index.html" dataset $common --count $samples --out "$D/d" --mix 0.5 --psi-to 0.9
moments shard $(((KILLS * 15 + 50) / 100)) "$D/s1" "$D/s1/index.html" dataset $common --count $samples --out "$D/s1" --mix 0.5 --psi-to 0.9 --shard 1/2
moments filter $(((KILLS * 15 + 50) / 100)) "$D/v" "$D/v" filter --dataset "$D/d" --out "$D/v" --drop 0.2
try 0 $BIN dataset $common --count $samples --out "$D/s2" --mix 0.5 --psi-to 0.9 --shard 2/2
moments merge $(((KILLS * 10 + 50) / 100)) "$D/m" "$D/m" merge --out "$D/m" "$D/s2" "$D/s1"
same "$D/m" "$D/d" "the merged shards are the run"
moments train $((KILLS * 15 / 100 + 1)) "$D/t" "$D/t" train --task "$D/tiny/task.json" --out "$D/t" --members 4 --epochs $((KILLS > 50 ? 200 : 15)) --batch 64 \
    --width1 64 --width2 32 --threads 1
echo "  ok   $killed kills, $inside of them strictly inside a run, at $least to $most listed samples"
[ $inside -ge $((KILLS * 8 / 10 - 1)) ] && ok || no "only $inside of $KILLS kills were inside a run"

# ---- what appears whole or not at all; an older state in its place stays until then
inside=0 killed=0 each=$(((KILLS + 24) / 25))
spread() { name=$1 out=$2; shift 2; moments "$name" $each "$out" "$out" "$@" --out "$out"; }
printf 'left\nright\n' >"$D/names"
{
    sed '/"items"/,$d' "$D/tiny/task.json"
    echo '"items": ['
    sed 's/^{"file_name":"\([^"]*\)","mask_file_name":"labels.\([^"]*\)","seed":\([0-9]*\),.*/{"image": "d\/\1", "label": "none\/\2", "seed": \3, "split": "train"},/; $s/,$/]}/' "$D/d/metadata.jsonl"
} >"$D/many.json"
spread prepare "$D/p" prepare --threads 1 --generator $TINY --classes "$D/names" --seeds 1-$samples
for format in voc coco yolo-seg hf webdataset labelme npz; do
    spread "export $format" "$D/x-$format" export --dataset "$D/d" --format $format
done
spread "import png" "$D/im" import --from png --task "$D/many.json" --in "$D/d/labels"
spread "import voc" "$D/iv" import --from voc --task "$D/many.json" --in "$D/x-voc"
spread "import cvat" "$D/ic" import --from cvat --task "$D/many.json" --in "$D/x-voc"
spread "import coco" "$D/io" import --from coco --task "$D/many.json" --in "$D/x-coco/annotations/instances_train.json"
spread "import labelme" "$D/il" import --from labelme --task "$D/many.json" --in "$D/x-labelme/train"
for set in iv ic io il; do same "$D/$set/labels" "$D/im/labels" "$set: exported, imported"; done
echo "  ok   $killed kills, $inside of them strictly inside prepare, export or import"
[ $inside -ge $((killed / 3)) ] && ok || no "only $inside of $killed kills were inside"

# --force over another export: the old one or the new one, whole
try 0 $BIN export --dataset "$D/v" --format hf --out "$D/o"
old=$(hash_of "$D/o") new=$(hash_of "$D/x-hf")
for i in 1 2 3 4 5 6; do
    cp -r "$D/o" "$D/o$i"
    timeout --foreground -s KILL "0.0$((i * 15 - 10))" $BIN export --dataset "$D/d" --format hf --out "$D/o$i" --force >/dev/null 2>&1
    forget_dead
    case $(hash_of "$D/o$i") in "$old" | "$new") ok ;; *) no "export --force: neither old nor new" ;; esac
    try 0 $BIN export --dataset "$D/d" --format hf --out "$D/o$i" --force
    same "$D/o$i" "$D/x-hf" "export --force, killed and again"
    lacks "$D/o$i.tmp" "$D/o$i.old.tmp"
done
done_testing
