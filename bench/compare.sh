#!/bin/sh
# Ours and other CPU runtimes on the same work in one run (make bench-compare); rows go to build/compare.csv and are not run twice.
# ADA=folder: a checkout of the public repository stylegan2-ada-pytorch, for NVIDIA's own code.
# WORK="picture,label,train,dataset" SIZES="bundle,256,512,1024" BATCHES="1,8" THREADS="2" ROUNDS=3 PEERS="openvino,mnn" CPU=1 choose.
bench=$1
venv=build/venv
[ -x $venv/bin/python ] || python3 -m venv $venv || exit 1
if [ ! -e $venv/installed ] || [ bench/requirements.txt -nt $venv/installed ]; then
    # One by one where not all can be had: a peer that is missing is then a row that says so.
    $venv/bin/pip install -q -r bench/requirements.txt ||
        grep -v '^#' bench/requirements.txt | while read -r package; do $venv/bin/pip install -q "$package" || echo "cannot be installed here: $package"; done
    touch $venv/installed
fi
# The other libraries' numerics settings for old processors would slow them: they are timed at their best.
exec env -u OPENBLAS_CORETYPE -u OMP_NUM_THREADS -u OMP_WAIT_POLICY $venv/bin/python bench/compare.py "$bench" --csv "${CSV:-build/compare.csv}" --work "${WORK:-picture,label,train,dataset}" \
    --sizes "${SIZES:-bundle,256,512,1024}" --batches "${BATCHES:-1,8}" --threads "${THREADS:-2}" --rounds "${ROUNDS:-3}" ${PEERS:+--peers "$PEERS"} \
    ${ADA:+--ada "$ADA"} ${CPU:+--cpu}
