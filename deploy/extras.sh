#!/bin/sh
# Writes what packages have beside the program: manual pages and completions.
#   deploy/extras.sh PROGRAM FOLDER
set -eu
program=$1 folder=$2
mkdir -p "$folder/man" "$folder/completions"
"$program" man >"$folder/man/mesh-v2.1"
# The page names the others.
for command in $(sed -n 's/^mesh\\-v2\\-\([a-z]*\)(1)$/\1/p' "$folder/man/mesh-v2.1"); do
  [ "$command" = help ] || "$program" man "$command" >"$folder/man/mesh-v2-$command.1"
done
"$program" completions bash >"$folder/completions/mesh-v2.bash"
"$program" completions zsh >"$folder/completions/_mesh-v2"
"$program" completions fish >"$folder/completions/mesh-v2.fish"
"$program" completions powershell >"$folder/completions/_mesh-v2.ps1"
