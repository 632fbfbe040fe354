#!/bin/sh
# Time ours and other CPU runtimes on the same generators in one run (make bench-compare).
# ADA=folder: a checkout of the public repository stylegan2-ada-pytorch, for NVIDIA's own code.
# SIZES="256" BATCHES="1" PEERS="torch,torch-const" THREADS=2 ROUNDS=5 choose less; the bundle is always timed.
bench=$1
venv=build/venv
[ -x $venv/bin/python ] || python3 -m venv $venv || exit 1
$venv/bin/python -c 'import torch, numpy, onnx, onnxruntime, openvino' 2>/dev/null ||
    $venv/bin/pip install -q torch numpy onnx onnxruntime openvino requests click || exit 1
peers=${PEERS:-torch,torch-const,compile,onnxruntime,openvino}
[ -n "$ADA" ] && peers="nvidia,$peers"
for size in bundle ${SIZES:-256 512 1024}; do
    if [ "$size" = bundle ]; then
        generator=weights/blood128/generator.safetensors
    else
        generator=build/random$size.safetensors
        [ -f $generator ] || $venv/bin/python bench/random_generator.py $generator "$size" || exit 1
    fi
    for batch in ${BATCHES:-1 8}; do
        # The other libraries' numerics settings for old processors would slow them: they are timed at their best.
        env -u OPENBLAS_CORETYPE $venv/bin/python bench/peers.py $generator "$bench" --peers "$peers" --batch "$batch" \
            --threads "${THREADS:-2}" --rounds "${ROUNDS:-5}" ${ADA:+--ada "$ADA"} 2>/dev/null || exit 1
    done
done
