# cli_lib.sh: what the shell tests share (sourced).  $BUILD is the build folder; $D an empty folder of this test's own.
# Programs run as users run them; a failure prints one line, the last line counts.
BUILD=${BUILD:-build/release}
BIN=$PWD/$BUILD/datasetgan
FAULTY=$PWD/$BUILD/datasetgan-faulty
BUNDLE=$PWD/weights/blood128
D=$PWD/build/tmp/$(basename "$0" .sh)-$$
# Sanitizers take ten times the time: there the long loops are cut, every line still runs.
case $BUILD in *sanitize*) QUICK=1 ;; *) QUICK= ;; esac
passed=0 failed=0 skipped=0
rm -rf "$D"
mkdir -p "$D"

# For tests that sync thousands of files and are not about the disk: $D in memory where there is room, gone at the end.
in_memory() {
    { [ -w /dev/shm ] && [ "$(df -kP /dev/shm | awk 'NR == 2 { print $4 }')" -gt 200000 ]; } || return
    rm -rf "$D"
    D=$(mktemp -d /dev/shm/datasetgan-test-XXXXXX)
    trap 'rm -rf "$D"' EXIT
    trap 'exit 1' HUP INT TERM
}

. tests/dead.sh

ok() { passed=$((passed + 1)); }
no() { failed=$((failed + 1)); echo "FAILED $*"; }
skip() { skipped=$((skipped + 1)); echo " skip  $*"; }
done_testing() {
    [ "$failed" -eq 0 ] && rm -rf "$D"
    echo "$passed passed, $failed failed, $skipped skipped"
    [ "$failed" -eq 0 ]
    exit
}

# try RC COMMAND...: run it, its output in $D/out and $D/err; exit status must be RC.  A command that must fail also has to
# explain itself in exactly one line, warnings aside.
try() {
    want=$1
    shift
    "$@" >"$D/out" 2>"$D/err"
    got=$?
    shown=$(printf '%s ' "$@" | sed "s|$PWD/||g")
    if [ "$got" -ne "$want" ]; then
        no "status $got, expected $want: $shown: $(head -n 1 "$D/err")"
    elif [ "$want" -ne 0 ] && [ "$(grep -vc ': warning: ' "$D/err")" -ne 1 ]; then
        no "expected one line on stderr, found $(grep -vc ': warning: ' "$D/err"): $shown: $(head -n 3 "$D/err" | tr '\n' '|')"
    else
        ok
    fi
}
# says TEXT / prints TEXT: the last try's stderr / stdout holds TEXT.
says() { if grep -qF -e "$1" "$D/err"; then ok; else no "stderr lacks \"$1\": $(head -n 1 "$D/err")"; fi; }
prints() { if grep -qF -e "$1" "$D/out"; then ok; else no "stdout lacks \"$1\": $(head -n 3 "$D/out" | tr '\n' '|')"; fi; }
quiet() { if [ -s "$D/err" ]; then no "stderr is not empty: $(head -n 1 "$D/err")"; else ok; fi; }
# holds FILE / lacks FILE
holds() { for f in "$@"; do if [ -e "$f" ]; then ok; else no "$f is missing"; fi; done; }
lacks() { for f in "$@"; do if [ -e "$f" ]; then no "$f is there"; else ok; fi; done; }
# One hash over names and bytes of everything below a folder, or of a file.
hash_of() {
    if [ -d "$1" ]; then (cd "$1" && find . -type f | LC_ALL=C sort | xargs sha256sum | sha256sum | cut -c1-64)
    else sha256sum <"$1" | cut -c1-64; fi
}
same() {
    if [ ! -e "$1" ] || [ ! -e "$2" ]; then no "$3: $1 or $2 is missing"
    elif [ "$(hash_of "$1")" = "$(hash_of "$2")" ]; then ok
    else no "$3: $1 and $2 differ"
    fi
}
differ() { if [ -e "$1" ] && [ -e "$2" ] && [ "$(hash_of "$1")" != "$(hash_of "$2")" ]; then ok; else no "$3: $1 and $2 are the same"; fi; }
# Nothing half-written below a folder.
no_temporaries() { if [ -z "$(find "$1" -name '*.tmp' 2>/dev/null)" ]; then ok; else no "temporary files below $1"; fi; }

# small_task DIR: an annotation set of two train pictures and one test picture of the bundle.
small_task() {
    mkdir -p "$1/images" "$1/labels"
    for seed in 0042 0065 1000; do
        cp "$BUNDLE/annotations/images/seed$seed.png" "$1/images"
        cp "$BUNDLE/annotations/labels/seed$seed.png" "$1/labels"
    done
    {
        sed '/"items"/,$d' "$BUNDLE/annotations/task.json"
        echo '"items": ['
        echo '{"image": "images/seed0042.png", "label": "labels/seed0042.png", "seed": 42, "split": "train"},'
        echo '{"image": "images/seed0065.png", "label": "labels/seed0065.png", "seed": 65, "split": "train"},'
        echo '{"image": "images/seed1000.png", "label": "labels/seed1000.png", "seed": 1000, "split": "test"}]}'
    } | sed "s|\.\./generator.safetensors|$BUNDLE/generator.safetensors|" >"$1/task.json"
}
# kill_when N COUNT-COMMAND OUT COMMAND...: start the command, kill -9 it as soon as COUNT-COMMAND prints N or more.  On a busy machine it may end
# before that is seen: then OUT goes and it is tried again.  Fails when it ended before five times.
kill_when() {
    at=$1 counter=$2 undone=$3
    shift 3
    for attempt in 1 2 3 4 5; do
        "$@" >"$D/out" 2>"$D/err" &
        pid=$!
        while kill -0 $pid 2>/dev/null && [ "$($counter)" -lt "$at" ]; do sleep 0.01; done
        kill -9 $pid 2>/dev/null
        wait $pid 2>/dev/null
        got=$?
        [ $got -eq 0 ] && [ "$attempt" -lt 5 ] || break
        rm -rf "$undone"
    done
    [ $got -eq 137 ] && ok || no "ended with $got before it could be killed at $at: $(head -n 1 "$D/err")"
}
# small_interpreter FILE: two small members trained on small_task's set in $D/set.
small_interpreter() { "$BIN" train --task "$D/set/task.json" --out "$1" --members 2 --epochs 0.2 --width1 16 --width2 8 >/dev/null || no "cannot train"; }
# Constant grey PNGs, 8 bits deep: one_colour WIDTHxVALUE > FILE.  Made by Python's zlib: IHDR, one IDAT, IEND.
one_colour() {
    case $1 in
        128x0) base64 -d <<END
iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAAAAADmVT4XAAAAJklEQVR42u3BAQEAAACCIP+vbkhAAQAAAAAAAAAAAAAAAAAAAO8GQIAAAR6FpxMAAAAASUVORK5CYII=
END
        ;;
        128x4) base64 -d <<END
iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAAAAADmVT4XAAAAWklEQVR42u3OIQEAAAACIIP/NzvDAgtIzyIgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgICAgIPAODCReABCF5prrAAAAAElFTkSuQmCC
END
        ;;
        128x255) base64 -d <<END
iVBORw0KGgoAAAANSUhEUgAAAIAAAACACAAAAADmVT4XAAAAWUlEQVR42u3OIQEAAAACIP+f1hkWWEB6FgEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBAQEBgXdgvpjDshNru2QAAAAASUVORK5CYII=
END
        ;;
        32half) base64 -d <<END              # 0 on the left, 1 on the right
iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAAAAABWESUoAAAAGElEQVR42mNgQAOMaIBhVMGoglEFI1UBABRcAgEB7fRLAAAAAElFTkSuQmCC
END
        ;;
        64x1) base64 -d <<END
iVBORw0KGgoAAAANSUhEUgAAAEAAAABACAAAAACPAi4CAAAAKUlEQVR42u3MQREAAAwCIO1f2hD77SAA6VEEAoFAIBAIBAKBQCAQfA8GF94QAZxkGSgAAAAASUVORK5CYII=
END
        ;;
    esac
}
# a_jpeg: a coloured ramp, 32x32.  Made by Pillow: 8 * x, 8 * y, 255 - 4 * (x + y), quality 60.
a_jpeg() {
    base64 -d <<END
/9j/4AAQSkZJRgABAQAAAQABAAD/2wBDAA0JCgsKCA0LCgsODg0PEyAVExISEyccHhcgLikxMC4pLSwzOko+MzZGNywtQFdBRkxOUlNSMj5aYVpQYEpRUk//2wBDAQ4ODhMREyYVFSZP
NS01T09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT09PT0//wAARCAAgACADASIAAhEBAxEB/8QAFQABAQAAAAAAAAAAAAAAAAAABAb/xAAXEAADAQAA
AAAAAAAAAAAAAAAAAwRh/8QAGAEAAgMAAAAAAAAAAAAAAAAABQYDBAf/xAAVEQEBAAAAAAAAAAAAAAAAAAAEAP/aAAwDAQACEQMRAD8Aj1z4KXPgtc+Clz4M6WUJEQ1z4KXPgtc+Clz4
AEsmciI658FLnwWufBS58KaWWeERDXPgpc+C1z4KXPgASyaCIv/Z
END
}
# A set of the smallest generator, where a test is about files and not about pictures: a run takes hundredths of a second.
TINY=$PWD/tests/golden/stylegan2_rgb.safetensors
tiny_task() {
    mkdir -p "$1/labels"
    "$BIN" generate --generator "$TINY" --seeds 1-3 --out "$1/images" >/dev/null || no "cannot draw"
    for seed in 1 2 3; do one_colour 32half >"$1/labels/seed000$seed.png"; done
    cat >"$1/task.json" <<END
{"name": "tiny", "generator": {"file": "$TINY", "sha256": "", "psi": 0.7, "cutoff": null, "noise": "const"},
 "classes": [{"id": 0, "name": "left", "color": "#000000"}, {"id": 1, "name": "right", "color": "#ff0000"}],
 "items": [{"image": "images/seed0001.png", "label": "labels/seed0001.png", "seed": 1, "split": "train"},
           {"image": "images/seed0002.png", "label": "labels/seed0002.png", "seed": 2, "split": "train"},
           {"image": "images/seed0003.png", "label": "labels/seed0003.png", "seed": 3, "split": "test"}]}
END
}
# tiny_interpreter TASK FILE
tiny_interpreter() { "$BIN" train --task "$1" --out "$2" --members 2 --epochs 2 --batch 256 --width1 16 --width2 8 >/dev/null || no "cannot train"; }
