#!/bin/sh
# The arrows between the folders hold, and the check that says so notices when they do not.
. tests/cli_lib.sh
mkdir -p "$D/src/nn" "$D/src/cli"
tests/deps.sh >"$D/out" 2>&1 && ok || no "tests/deps.sh: $(head -n 1 "$D/out")"
echo '#include "nn/base.h"' >"$D/src/cli/a.c"
tests/deps.sh "$D/src" >/dev/null && ok || no "cli may use nn"
echo '#include "cli/cli.h"' >"$D/src/nn/b.c"
tests/deps.sh "$D/src" >/dev/null && no "nn may not use cli" || ok
# The README's first line and CI install every library that the Makefile asks for.
for package in $(sed -n 's/^LIBS *:= *//p' Makefile); do
    grep -q "^apt-get install.* ${package#*:} " README.md && ok || no "README.md does not install ${package#*:}"
    grep -q "^packages=.*[ (]${package#*:}[ )]" .ci/run && ok || no ".ci/run does not install ${package#*:}"
done
done_testing
