#!/bin/sh
# make_bundle.sh SOURCE DEST: make DEST/blood128 (generator, annotations, card) again from the project's shared data.
# The result depends on SOURCE alone: the same bytes on any machine and day.
set -eu
here=$(dirname "$0")
[ $# -eq 2 ] || { echo "usage: make_bundle.sh SOURCE DEST" >&2; exit 2; }
command -v python3 >/dev/null || { echo "make_bundle: python3 is missing: apt-get install python3 python3-numpy" >&2; exit 1; }
[ -f "$1/generator/blood128.pt" ] || { echo "make_bundle: $1/generator/blood128.pt is not there: the bundle in weights/ stays as it is" >&2; exit 1; }
exec python3 "$here/bundle.py" "$1" "$2"
