#!/bin/sh
# make install: the installed program finds its bundle, a program on its own says where it looked, uninstall leaves nothing.
. tests/cli_lib.sh
make() { env -u MAKEFLAGS -u MAKELEVEL -u MFLAGS make -s BUILD="$BUILD" -o "$BUILD/datasetgan" "$@"; }
try 0 make install DESTDIR="$D/root" PREFIX=/usr
holds "$D/root/usr/bin/datasetgan" "$D/root/usr/share/datasetgan/blood128/generator.safetensors" "$D/root/usr/share/datasetgan/blood128/LICENSE" "$D/root/usr/share/datasetgan/tasks/car-20.json"
try 0 "$D/root/usr/bin/datasetgan" generate --seeds 42 --out "$D/installed"
try 0 $BIN generate --seeds 42 --out "$D/built"
same "$D/installed" "$D/built" "the installed bundle"
try 0 "$D/root/usr/bin/datasetgan" train --members 1 --epochs 0.01 --out "$D/i"          # the bundled task
# Moved, with an empty environment: nothing is written outside --out.
mkdir "$D/home"
cp -r "$D/root/usr" "$D/moved"
try 0 env -i HOME="$D/home" XDG_CACHE_HOME="$D/home" TMPDIR="$D/home" "$D/moved/bin/datasetgan" generate --seeds 42 --out "$D/elsewhere"
same "$D/elsewhere" "$D/built" "moved"
try 0 env -i HOME="$D/home" XDG_CACHE_HOME="$D/home" TMPDIR="$D/home" "$D/moved/bin/datasetgan" dataset --interpreter "$D/i" --out "$D/set" --count 2
[ -z "$(find "$D/home" -mindepth 1)" ] && ok || no "something was written to HOME or TMPDIR"
cp "$D/root/usr/bin/datasetgan" "$D/alone"
try 1 "$D/alone" generate --seeds 42 --out "$D/none"; says "share/datasetgan"; lacks "$D/none"
try 0 make uninstall DESTDIR="$D/root" PREFIX=/usr
[ -z "$(find "$D/root" -type f)" ] && ok || no "uninstall left $(find "$D/root" -type f | head -n 1)"
done_testing
