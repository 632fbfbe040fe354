#!/bin/sh
# docs/API.md out of the public headers: their comments, in order, each with what it stands above.
# usage: api.sh >docs/API.md
cat <<'END'
# The library

Made from the headers in `src/dgan/` by `tools/api.sh`; a test compares. `make install` puts the headers into `include/dgan`, `libdatasetgan` (shared and static) into
`lib` with a pkg-config file (`pkg-config --cflags --libs datasetgan`), and the Python module, which says how it is used, into `share/datasetgan/python`.

**Stability.** What stands here is public, and nothing else: the shared library shows exactly the functions listed in `tests/symbols.txt`, the static one too. Within one
`DGAN_ABI`, the number in the shared library's name, functions keep their names, arguments and meaning, constants their values, structures their members and order. New
functions, constants, and members at the end of structures that start with their size may come. Anything else raises `DGAN_ABI`. The *bytes of results* are promised per
version only: they may change with any version, and then [NUMERICS.md](NUMERICS.md) says why. Files keep the rules of [FILES.md](FILES.md).
END
for header in nn stylegan datasetgan deeplab; do
    awk -v name="dgan/$header.h" '
        function shut() { if (code) print "```"; code = 0 }
        function say(text) { sub(/^ \*\/?[ ]?/, "", text); sub(/[ ]*\*\/$/, "", text); sub(/^  - /, "- ", text); sub(/^  +/, "  ", text); gsub(/\*/, "\\*", text); print text }
        BEGIN { printf "\n## %s\n\n", name }
        NR == 1 { sub(/^\/\* [a-z\/.]*: */, ""); say($0); comment = !/\*\/$/; next }
        comment { say($0); if (/\*\//) comment = 0; next }
        /^#ifdef __cplusplus/ { skip = 1 }
        /^#if defined/ { skip = 1 }
        /^#endif/ { skip = 0; next }
        skip || /^#(ifndef|include)/ || /^#define DGAN_[A-Z]*_H$/ { next }
        /^\/\* ----/ { shut(); gsub(/^\/\* -* | -* \*\/$/, ""); printf "\n### %s\n", $0; next }
        /^\/\*/ { shut(); print ""; sub(/^\/\* /, ""); comment = !/\*\/$/; say($0); next }
        /^$/ { shut(); next }
        { if (!code) print "\n```c"; code = 1; gsub(/DGAN_API /, ""); print }
        END { shut() }' "src/dgan/$header.h"
done
