#!/usr/bin/env bash
# Packs a program with its licences and docs as an archive of a release, and writes its sum beside it.
#   deploy/archive.sh PROGRAM TARGET FOLDER     TARGET is Rust's name of the system
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath -- "$1") target=$2 folder=$3
version=$("$program" --version | cut -d ' ' -f 2)
name=mesh-v2-$version-$target
rm -rf "$folder/$name"
mkdir -p "$folder/$name"
cp "$program" README.md README.ja.md CHANGELOG.md LICENSE-APACHE LICENSE-MIT "$folder/$name/"
deploy/extras.sh "$program" "$folder/$name"
if [[ $target == *linux* ]]; then
  cp deploy/mesh-v2.service deploy/mesh-v2.env "$folder/$name/"
fi
cd "$folder"
if [[ $target == *windows* ]]; then
  archive=$name.zip
  7z a -bso0 "$archive" "$name"
else
  archive=$name.tgz
  # macOS has another tar.
  owner=(--uid 0 --gid 0)
  if tar --version | grep -q GNU; then owner=(--owner 0 --group 0 --numeric-owner); fi
  tar --create --gzip "${owner[@]}" --file "$archive" "$name"
fi
if command -v sha256sum >/dev/null; then sha256sum "$archive"; else shasum -a 256 "$archive"; fi >"$archive.sha256"
rm -rf "$name"
echo "$folder/$archive"
