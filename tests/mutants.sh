#!/bin/sh
# Plant each bug of tests/mutants.txt in a copy of the tree and require its test to turn red (make mutants).
# A bug whose text is not found, or whose test stays green, is a failure.  NAMES="word" runs only the bugs whose name holds word.
# A test named arm64/... is built by CROSS-gcc and run under qemu-user, one named amx/... needs a processor that has it; without them their bugs are skipped
# and counted.
copy=build/mutants
rm -rf "$copy"
mkdir -p "$copy"
cp -r Makefile src tests weights convert "$copy"/ || exit 1
cd "$copy" || exit 1
caught=0 missed=0 skipped=0
cross=${CROSS:-aarch64-linux-gnu}
grep -v '^#' tests/mutants.txt | grep -e "$NAMES" >list
# leave_out PREFIX ROW WHY: the bugs whose test is named PREFIX/...
leave_out() {
    count=$(grep -c "| $1/" list)
    [ "$count" -gt 0 ] || return
    skipped=$((skipped + count))
    echo " skip  $count bugs of the row $2: $3"
    grep -v "| $1/" list >rest
    mv rest list
}
{ command -v "$cross-gcc" && command -v qemu-aarch64; } >/dev/null || leave_out arm64 neon "no $cross-gcc or no qemu-aarch64"
grep -q amx_bf16 /proc/cpuinfo || leave_out amx amx "not on this processor"
# A test is a program, or a script that runs the program itself.
build() {
    case $1 in
        arm64/*) PKG_CONFIG_LIBDIR=/usr/lib/$cross/pkgconfig:/usr/share/pkgconfig make -s CC="$cross-gcc" AR="$cross-ar" "build/release-$cross-gcc/tests/${1#*/}" ;;
        *.sh) make -s build/release/datasetgan build/release/datasetgan-faulty ;;
        *) make -s build/release/datasetgan "build/release/tests/${1#amx/}" ;;
    esac >make.log 2>&1
}
run() {
    mkdir -p build/tmp
    case $1 in
        arm64/*) EMULATED=1 qemu-aarch64 "build/release-$cross-gcc/tests/${1#*/}" ;;
        *.sh) BUILD=build/release sh "tests/$1" ;;
        *) "build/release/tests/${1#amx/}" ;;
    esac >test.log 2>&1
}
for test in $(sed 's/.* | //' list | sort -u); do
    build "$test" || { echo "mutants: the copy does not build"; tail -n 5 make.log; exit 1; }
    run "$test" || { echo "mutants: $test is red before any bug is planted"; tail -n 3 test.log; exit 1; }
done
while IFS= read -r line; do
    name=${line%% | *}; line=${line#* | }
    file=${line%% | *}; line=${line#* | }
    test=${line##* | }
    edit=${line% | *}
    cp "$file" original
    sed -i "$edit" "$file"
    if cmp -s "$file" original; then
        result="MISSED: the text to change is not there"
    elif ! build "$test"; then
        result="MISSED: does not compile"
    elif run "$test"; then
        result="MISSED: $test stays green"
    else
        result="caught by $test: $(grep -m 1 '^FAILED' test.log | cut -c 1-100)"
    fi
    case $result in caught*) caught=$((caught + 1)) ;; *) missed=$((missed + 1)) ;; esac
    echo "$name: $result"
    cp original "$file"
    touch "$file"
done <list
echo "$caught passed, $missed failed, $skipped skipped"
[ "$missed" -eq 0 ]
