#!/bin/sh
# The installed library: what it shows and needs, programs outside the tree that find and use it (README, examples/), the Python module.
. tests/cli_lib.sh
make() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s BUILD="$BUILD" -o "$BUILD/datasetgan" "$@"; }
P=$D/prefix
CC=${CC:-cc}
case $BUILD in *sanitize*) SAN=-fsanitize=address,undefined ;; *) SAN= ;; esac
LIB=$BUILD/lib/libdatasetgan.so
GENERATOR=$P/share/datasetgan/blood128/generator.safetensors

try 0 make install PREFIX="$P"
holds "$P/bin/datasetgan" "$P/lib/libdatasetgan.so" "$P/lib/libdatasetgan.a" "$P/include/dgan/datasetgan.h" "$P/lib/pkgconfig/datasetgan.pc" \
    "$P/share/datasetgan/golden/stylegan2_rgb_want.safetensors" "$P/share/datasetgan/python/datasetgan.py"

# A man page for the program and each command, with every option of its help.
for command in $("$BIN" --help | sed -n 's/^  \([a-z][a-z]*\)  .*/\1/p'); do
    "$BIN" "$command" --help | grep -o -e '--[a-z0-9-]*' | sort -u >"$D/options"
    tr -d '\\' <"$P/share/man/man1/datasetgan-$command.1" | grep -o -e '--[a-z0-9-]*' | sort -u | cmp -s - "$D/options" && ok || no "the man page of $command lacks an option"
    grep -q "datasetgan..$command (1)" "$P/share/man/man1/datasetgan.1" && ok || no "datasetgan.1 does not name $command"
done

# What is public: the list, the headers and the document agree with both libraries.
shown() { nm "$@" --defined-only | awk '$2 != "t" && $2 != "d" && $2 != "b" && $2 != "r" && NF == 3 { print $3 }' | grep -v -e '^__asan' -e '^__odr_asan' -e '^__ubsan' | LC_ALL=C sort; }
shown -D "$LIB" >"$D/shown"
cmp -s "$D/shown" tests/symbols.txt && ok || no "the shared library shows other names: $(diff "$D/shown" tests/symbols.txt | sed -n 2p)"
shown -g "$BUILD/lib/libdatasetgan.a" >"$D/shown"
cmp -s "$D/shown" tests/symbols.txt && ok || no "the static library shows other names: $(diff "$D/shown" tests/symbols.txt | sed -n 2p)"
tools/api.sh | cmp -s - docs/API.md && ok || no "docs/API.md is not what tools/api.sh makes of the headers"
grep -o 'dgan_[a-z_]*(' docs/API.md | tr -d '(' | LC_ALL=C sort -u >"$D/described"
LC_ALL=C sort "$D/described" | LC_ALL=C comm -13 - tests/symbols.txt | grep -q . && no "docs/API.md lacks a public function" || ok

# It has no way to print, exit, fork, or change the process: of such functions only those of a failed NN_ASSERT are asked for.
nm -D --undefined-only "$LIB" | awk '{ sub(/@.*/, "", $2); print $2 }' | grep -x -e '_*exit' -e 'quick_exit' -e 'v*printf' -e 'puts' -e 'putchar' -e 'fput[sc]' -e 'fwrite' \
    -e 'perror' -e 'fork' -e 'vfork' -e 'system' -e 'popen' -e 'setlocale' -e 'signal' -e 'sigaction' -e 'sigprocmask' -e 'omp_set_.*' -e 'kmp_set.*' -e 'setenv' -e 'putenv' -e 'chdir' \
    -e 'umask' -e 'setrlimit' -e 'srand' -e 'rand' | grep -v -x -e 'omp_set_lock' >"$D/asked"
[ -s "$D/asked" ] && [ -z "$SAN" ] && no "the library asks for $(head -n 1 "$D/asked")" || ok

# Nothing that is not needed, nothing of ours that can change.
if [ -z "$SAN" ]; then
    for f in "$LIB" "$BIN"; do
        ldd -u "$f" >"$D/unused" 2>&1
        grep -q '/' "$D/unused" && no "$f does not use $(grep / "$D/unused" | head -n 1)" || ok
    done
    needed=$(readelf -d "$LIB" | sed -n 's/.*(NEEDED).*\[lib\([a-z]*\).*/\1/p' | LC_ALL=C sort | tr '\n' ' ')
    case $needed in "c crypto gomp jansson jpeg m png z " | "c crypto jansson jpeg m omp png z ") ok ;; *) no "the library needs: $needed" ;; esac
    objdump -t "$BUILD/lib/datasetgan.o" | awk '/\.t?(data|bss)\t|\*COM\*/ && $NF !~ /^\.t?(data|bss)$/ { print $NF }' >"$D/globals"
    [ -s "$D/globals" ] && no "a mutable global: $(head -n 1 "$D/globals")" || ok
else
    skip "dependencies and globals: sanitizers add their own"
fi

# ---- programs outside the tree -------------------------------------------------------------------------------------------
export PKG_CONFIG_PATH="$P/lib/pkgconfig" LD_LIBRARY_PATH="$P/lib"
flags() { pkg-config "$@" datasetgan; }
readme() { sed -n '/^## Use it from your own program/,/^## /p' README.md | sed -n "/^\`\`\`$1\$/,/^\`\`\`\$/p" | grep -v '^```'; }
out() { (cd "$D" && "$@"); }             # nothing of the tree is found by chance

"$BIN" train --task "$BUNDLE/annotations/task.json" --members 2 --epochs 0.05 --out "$D/i.safetensors" >/dev/null || no "cannot train"
readme c >"$D/stream.c"
# shellcheck disable=SC2046
try 0 out "$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror $SAN stream.c $(flags --cflags --libs) -o stream
try 0 out ./stream "$GENERATOR" i.safetensors
cp "$D/out" "$D/stream.out"
try 1 out ./stream /nowhere/g.safetensors i.safetensors; says "/nowhere/g.safetensors"
"$BIN" dataset --generator "$GENERATOR" --interpreter "$D/i.safetensors" --count 10 --out "$D/set" >/dev/null || no "cannot write a dataset"
sed 's/.*"seed": *\([0-9]*\).*"uncertainty": *\([0-9.e-]*\).*/\1 \2/' "$D/set/metadata.jsonl" | while read -r seed u; do LC_ALL=C printf '%d %.6f\n' "$seed" "$u"; done >"$D/set.out"
cmp -s "$D/stream.out" "$D/set.out" && ok || no "the README's stream and 'datasetgan dataset' differ: $(diff "$D/stream.out" "$D/set.out" | sed -n 2p)"

# Static: no shared library of ours, and a program may use our internal names for itself.
{ echo 'int nn_alloc(void); int sg_open(void);'; cat "$D/stream.c"; echo 'int nn_alloc(void) { return 1; } int sg_open(void) { return 2; }'; } >"$D/static.c"
# shellcheck disable=SC2046
try 0 out "$CC" -std=c11 $SAN $(flags --cflags) static.c "$P/lib/libdatasetgan.a" $(flags --libs --static | sed 's/-ldatasetgan//') -o static
env -u LD_LIBRARY_PATH "$D/static" "$GENERATOR" "$D/i.safetensors" | cmp -s - "$D/stream.out" && ok || no "the static library gives something else"

cp examples/label.c examples/taps.cpp "$D"
# shellcheck disable=SC2046
try 0 out "$CC" -std=c11 -Wall -Wextra -Wpedantic -Werror $SAN label.c $(flags --cflags --libs) -o label
try 0 out ./label "$P/share/datasetgan/blood128" own.safetensors 7 0.02; prints "trained: member"; prints "nucleus"; prints "uncertainty"
CXX=${CXX:-$(case $CC in *clang*) echo clang++ ;; *) echo g++ ;; esac)}
if command -v "$CXX" >/dev/null; then
    # shellcheck disable=SC2046
    try 0 out "$CXX" -Wall -Wextra -Wpedantic -Werror $SAN taps.cpp $(flags --cflags --libs) -o taps
    try 0 out ./taps "$P/share/datasetgan/golden/stylegan2_rgb.safetensors" 3; prints "b4.conv1"; prints "largest"
    try 1 out ./taps "$D/stream.c" 3; says "stream.c"
else
    skip "C++: no $CXX"
fi

# ---- Python ----------------------------------------------------------------------------------------------------------------
PYTHON=${PYTHON:-python3}
if [ -n "$SAN" ]; then skip "Python: the interpreter is not built for sanitizers"
elif ! $PYTHON -c 'import numpy' 2>/dev/null; then skip "Python: no NumPy"
else
    export PYTHONPATH="$P/share/datasetgan/python" PYTHONDONTWRITEBYTECODE=1
    readme python >"$D/stream.py"
    try 0 out $PYTHON -W error stream.py "$GENERATOR" i.safetensors; prints "(128, 128, 3) (32, 64, 64)"; prints "(128, 128)"
    sed -n 's/^\([0-9]* [0-9.]*\) (.*/\1/p' "$D/out" | cmp -s - "$D/stream.out" && ok || no "Python's stream is another one than C's"
    try 0 out $PYTHON -W error "$PWD/examples/latents.py" "$GENERATOR" i.safetensors 3 4; prints "1.00  background"
    try 0 out $PYTHON -W error "$PWD/tests/python_checks.py" "$GENERATOR" i.safetensors "$BUNDLE/annotations/task.json" \
        "$P/share/datasetgan/golden/stylegan2_rgb.safetensors" py
    [ -d "$D/py.set" ] && same "$D/py.set" "$D/set" "a dataset that Python wrote"
    DATASETGAN_LIBRARY=/nowhere/lib.so $PYTHON -c 'import datasetgan' 2>&1 | grep -q 'ImportError: libdatasetgan.so: not at /nowhere/lib.so' && ok || no "a missing library is not named"
    if $PYTHON -c 'import torch' 2>/dev/null; then
        try 0 out $PYTHON "$PWD/examples/torch_loader.py" "$GENERATOR" i.safetensors; prints "step 3: (8, 3, 128, 128)"
    else
        skip "Python: no PyTorch for the loader"
    fi
fi
try 0 make uninstall PREFIX="$P"
[ -z "$(find "$P" -type f)" ] && ok || no "uninstall left $(find "$P" -type f | head -n 1)"
done_testing
