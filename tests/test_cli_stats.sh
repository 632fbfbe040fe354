#!/bin/sh
# datasetgan stats: the numbers against awk's, doubles that are there, and a page that stands alone.
. tests/cli_lib.sh
in_memory
tiny_task "$D/tiny"
tiny_interpreter "$D/tiny/task.json" "$D/i"
run="$BIN dataset --generator $TINY --interpreter $D/i --threads 1"
try 0 $run --out "$D/d" --count 400 --augment 0.3
try 0 $BIN stats "$D/d" --json "$D/s.json" --html "$D/s.html"; prints "400 samples of 32 x 32 pixels"; prints "near doubles: "; quiet

# ---- the numbers
field() { sed "s/.*\"$1\":\([0-9.e-]*\)[,}].*/\1/" "$D/d/metadata.jsonl"; }
prints "$(field uncertainty | LC_ALL=C awk '{ s += $1 } END { printf "uncertainty: mean %.5f", s / NR }')"
prints "$(field uncertainty | LC_ALL=C sort -g | LC_ALL=C awk '{ u[NR] = $1 } END { printf "median %.5f, nine tenths below %.5f, highest %.5f", u[201], u[360], u[400] }')"
prints "$(field left | LC_ALL=C awk '{ s += $1; n += $1 > 0 } END { printf "left %28.2f %% %10.1f %%", s / NR / 10.24, 100 * n / NR }')"
best=$(field left | awk '{ print $1, NR }' | LC_ALL=C sort -k1,1nr -k2,2n | head -n 8 | cut -d' ' -f2 | while read -r n; do sed -n "${n}s/.*\"seed\":\([0-9]*\),.*/\1/p" "$D/d/metadata.jsonl"; done | tr '\n' ' ')
[ "$(sed -n '/"examples"/,/]/p' "$D/s.json" | head -n 10 | tr -cd '0-9\n' | tr -s '\n' ' ' | sed 's/^ //')" = "$best" ] && ok || no "examples of the first class: expected $best"
[ "$(sed -n '/"histogram"/,/]/p' "$D/s.json" | tr -cd '0-9\n' | awk '{ s += $1 } END { print s }')" -eq 400 ] && ok || no "the histogram counts every sample"

# ---- the page: thumbnails by the rule, nothing from elsewhere
thumbs=$(grep -c '<figure ' "$D/s.html")
[ "$thumbs" -le 300 ] && [ "$thumbs" -ge 284 ] && ok || no "$thumbs thumbnails"
[ "$(wc -c <"$D/s.html")" -le 10000000 ] && ok || no "more than 10 MB"
grep -qE '(src|href)="[^d]|url\(|@import|fetch\(' "$D/s.html" && no "the page names something outside itself" || ok
highest=$(field uncertainty | awk '{ print $1, NR }' | LC_ALL=C sort -g | tail -n 1 | cut -d' ' -f2)
grep -q "seed $(sed -n "${highest}s/.*\"seed\":\([0-9]*\),.*/\1/p" "$D/d/metadata.jsonl")<br>" "$D/s.html" && ok || no "the most uncertain sample is not shown"
cp "$D/s.html" "$D/before.html"
try 0 $BIN stats "$D/d" --json "$D/s.json" --html "$D/s.html"
same "$D/s.html" "$D/before.html" "the same page again"
if command -v chromium >/dev/null && [ -z "$QUICK" ]; then
    chromium --headless --no-sandbox --disable-gpu --dump-dom "file://$D/s.html" >"$D/dom" 2>/dev/null
    grep -q "$thumbs of $thumbs thumbnails" "$D/dom" && ok || no "the page's script did not run"
    # A person chooses: the second class on a tenth of the pixels or more, uncertainty up to the median.
    median=$(sed -n 's/.*median \([0-9.]*\),.*/\1/p' "$D/out")
    want=$(sed -n 's/<figure data-u="\([^"]*\)" data-share="\([^"]*\)".*/\1 \2/p' "$D/s.html" | LC_ALL=C awk -v m="$median" '$1 <= m && $3 >= 10 { n++ } END { print n + 0 }')
    { cat "$D/s.html"; echo "<script>id('class').value=1;id('part').value=10;id('hi').value=$median;id('hi').dispatchEvent(new Event('input'))</script>"; } >"$D/chosen.html"
    chromium --headless --no-sandbox --disable-gpu --dump-dom "file://$D/chosen.html" >"$D/dom" 2>/dev/null
    grep -q "$want of $thumbs thumbnails" "$D/dom" && [ "$want" -gt 0 ] && [ "$want" -lt "$thumbs" ] && ok || no "the page's filters: expected $want of $thumbs"
    [ "$(grep -o "<figure [^>]*hidden" "$D/dom" | wc -l)" -eq $((thumbs - want)) ] && ok || no "the page's filters hide the rest"
else
    skip "no chromium: the page's script"
fi

# ---- a run of one sample, and of none yet
try 0 $run --out "$D/one" --count 1
try 0 $BIN stats "$D/one" --json "$D/one.json" --html "$D/one.html"; prints "1 sample of 32 x 32"; quiet
[ "$(grep -c '<figure ' "$D/one.html")" -eq 1 ] && ! grep -qi 'nan\|inf[^o]' "$D/one.json" && ok || no "one sample"
: >"$D/one/metadata.jsonl"
try 2 $BIN stats "$D/one"; says "lists no samples"

# ---- doubles: a mean picture is every other's double; a sample that is there twice is found
try 0 $run --out "$D/mean" --count 20 --psi 0 --noise none
try 0 $BIN stats "$D/mean"; prints "near doubles: 190 pairs"; prints "seeds 0 and 4 (0.00)"
try 0 $run --out "$D/close" --count 20 --psi 0.01 --noise none                     # all pairs are near, none is equal
try 0 $BIN stats "$D/close"; prints "near doubles: 190 pairs"
try 0 $BIN stats "$D/mean" --html "$D/mean.html"
[ "$(grep -c '<figure ' "$D/mean.html")" -eq 20 ] && ok || no "every sample of a small set is shown"
printf x >"$D/other"
try 1 $BIN stats "$D/d" --html "$D/other"; says "--force"
try 0 $BIN stats "$D/d" --html "$D/other" --force; same "$D/other" "$D/s.html" "--force"
cp "$D/d/images/0000000005.png" "$D/d/images/0000000006.png"
try 1 $BIN stats "$D/d"; says "seed 6: picture or label is not the one that was listed"
try 2 $BIN stats; try 2 $BIN stats "$D/none"
done_testing
