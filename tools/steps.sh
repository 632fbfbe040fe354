# steps.sh: steps that are done once (sourced).  Needs $out.  What a step depends on is its key: its command and the keys of the steps before
# it.  A step with the same key is skipped when it ended and gone on with when it was stopped (datasetgan resumes by itself); with another key,
# what it made is removed first.  Processes may share $out: who comes to a step that another is at waits for it, or ends with status $BUSY where
# $leave_busy is set.
mkdir -p "$out/steps" "$out/logs"
BUSY=75 leave_busy=

# step NAME "OUTPUTS" "STEPS BEFORE" COMMAND...: OUTPUTS are patterns below $out.
step() {
    exec 8>"$out/steps/$1.lock"
    flock ${leave_busy:+-n} 8 || exit $BUSY
    do_step "$@"
    exec 8>&-
}
do_step() {
    name=$1 outputs=$2 before=$3
    shift 3
    {
        printf '%s\n' "$*"
        for earlier in $before; do sha256sum <"$out/steps/$earlier.key"; done
    } >"$out/steps/$name.new"
    cmp -s "$out/steps/$name.new" "$out/steps/$name.key" || {
        for o in $outputs; do (cd "$out" && eval "rm -rf $o"); done
        rm -f "$out/steps/$name.done"
    }
    mv "$out/steps/$name.new" "$out/steps/$name.key"
    if [ -e "$out/steps/$name.done" ]; then return; fi
    [ ! -t 1 ] || echo "$name ..."
    began=$(date +%s)
    times >"$out/steps/$name.times"
    cpu=$(children "$out/steps/$name.times")
    set +e                                              # a list with || would turn -e off inside as well
    (set -e; "$@") >"$out/logs/$name.log" 2>"$out/logs/$name.err"
    rc=$?
    set -e
    if [ $rc -ne 0 ]; then
        echo "$name: stopped with status $rc"
        tail -n 5 "$out/logs/$name.err" >&2
        exit $rc
    fi
    times >"$out/steps/$name.times"
    printf '%s\t%s\t%s\n' "$name" $(($(date +%s) - began)) "$(children "$out/steps/$name.times" | awk -v b="$cpu" '{ printf "%.1f", $1 - b }')" >"$out/steps/$name.done"
    awk '{ printf "%-24s %5d s, %7.1f s of processor time\n", $1, $2, $3 }' "$out/steps/$name.done"
}
# Processor seconds of the finished children, from what `times` printed.
children() { awk 'NR == 2 { for (i = 1; i <= 2; i++) { split($i, t, "[ms]"); s += 60 * t[1] + t[2] } } END { printf "%.2f", s }' "$1"; }
