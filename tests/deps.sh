#!/bin/sh
# Fail when an #include of our own headers points against the arrows: nn <- stylegan <- datasetgan <- cli, nn <- deeplab <- dgan, cli.
# usage: tests/deps.sh [SOURCE-ROOT]
root=${1:-src}
bad=0
may() {       # may FOLDER TARGET: FOLDER may include TARGET
    case $1:$2 in
        nn:nn | stylegan:nn | stylegan:stylegan | datasetgan:nn | datasetgan:stylegan | datasetgan:datasetgan) ;;
        deeplab:nn | deeplab:deeplab | cli:nn | cli:dgan | dgan:nn | dgan:stylegan | dgan:datasetgan | dgan:deeplab | dgan:dgan | cli:stylegan | cli:datasetgan | cli:deeplab | cli:cli) ;;
        *) return 1 ;;
    esac
}
for file in "$root"/*/*.[ch]; do
    folder=$(basename "$(dirname "$file")")
    for target in $(sed -n 's/^[[:space:]]*#[[:space:]]*include[[:space:]]*"\([^"]*\)".*/\1/p' "$file"); do
        may "$folder" "${target%%/*}" && continue
        echo "$file includes \"$target\": $folder may not use ${target%%/*}"
        bad=$((bad + 1))
    done
done
[ "$bad" -eq 0 ] && echo "includes follow the arrows"
[ "$bad" -eq 0 ]
