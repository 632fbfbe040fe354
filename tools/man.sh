#!/bin/sh
# Man pages out of the program's own help: datasetgan.1 and datasetgan-COMMAND.1.
# usage: man.sh PROGRAM FOLDER
set -e
program=$1 folder=$2
version=$("$program" --version | cut -d' ' -f2)

# page NAME ABOUT COMMAND...: the help as it is printed, which is laid out for 80 columns and more.
page() {
    name=$1 about=$2
    shift 2
    {
        printf '.TH %s 1 "" "datasetgan %s"\n' "$(echo "$name" | tr a-z A-Z)" "$version"
        printf '.SH NAME\n%s \\- %s\n.SH DESCRIPTION\n.nf\n' "$name" "$about"
        "$@" | sed 's/\\/\\e/g; s/-/\\-/g; s/^\([.'"'"']\)/\\\&\1/'
        printf '.fi\n.SH SEE ALSO\n'
        if [ "$name" = datasetgan ]; then echo "$commands" | sed 's/\([a-z]*\) .*/.BR datasetgan\\-\1 (1)/'
        else echo '.BR datasetgan (1)'; fi
    } >"$folder/$name.1"
}

commands=$("$program" --help | sed -n 's/^  \([a-z][a-z]*\)  *\(.*\)/\1 \2/p')
page datasetgan "labelled datasets out of a StyleGAN and a few labelled pictures" "$program" --help
echo "$commands" | while read -r command about; do page "datasetgan-$command" "$about" "$program" "$command" --help; done
