#!/bin/sh
# The converter on more than 1,000 mutated files and a file of 1 GB.  The paper's command chains on made-up files.  Every export and import against its consumers' own libraries, the heavy ones too
# (skipped and counted where PYTHON, default python3, has none).  DeepLab-v3's gradients against torchvision's, its files both ways.  Then full-width
# networks of 1024 x 1024 pixels with random weights: StyleGAN1, and StyleGAN2 config-f in its three architectures: time and peak memory of one picture, and how far the picture of every
# kernel row is from the first one's.  Needs python3 with NumPy.
# usage: tools/nightly.sh BUILD [ROWS, default "portable auto"; "ref portable auto" takes about an hour]
set -e
build=$1 rows=${2:-portable auto} out=$1/nightly
rm -rf "$out"
mkdir -p "$out"
NIGHTLY=1 BUILD=$build sh tests/test_convert.sh
NIGHTLY=1 BUILD=$build sh tests/test_dialects.sh
NIGHTLY=1 BUILD=$build sh tests/test_official.sh
NIGHTLY=1 BUILD=$build sh tests/test_chain.sh
NIGHTLY=1 "$build/tests/test_segnet"
"${PYTHON:-python3}" -B tests/torchvision_checks.py "$build/datasetgan"      # needs torch and torchvision
tests/exports.sh "$build/datasetgan" "$out/exports" --heavy
for net in "stylegan1" "stylegan2 skip" "stylegan2 orig" "stylegan2 resnet"; do
    # shellcheck disable=SC2086
    set -- $net
    file=$out/g.safetensors first=
    python3 bench/random_generator.py "$file" 1024 --network "$1" --architecture "${2:-skip}"
    for row in $rows; do
        picture=$out/$row
        said=$("$build/datasetgan" generate --generator "$file" --seeds 1 --kernels "$row" --out "$picture" --force)
        printf '%-18s %-9s %s' "$net" "$row" "${said#*now }"
        if [ "$first" ]; then printf ', against %s: ' "$first"; "$build/levels" "$out/$first/seed0001.png" "$picture/seed0001.png"
        else echo; first=$row; fi
    done
done
