#!/usr/bin/env bash
# Packs the static program of a target as a Debian package (Cargo.toml, package.metadata.deb).
#   deploy/deb.sh TARGET FOLDER [PROGRAM]   PROGRAM by default what `--profile dist` built; needs cargo-deb
set -euo pipefail
cd "$(dirname "$0")/.."
target=$1 folder=$2 program=${3:-target/$1/dist/mesh-v2}
# Where the assets of Cargo.toml are looked for.
rm -rf target/package-files
mkdir -p target/package-files "$folder"
cp "$program" target/package-files/mesh-v2
deploy/extras.sh target/package-files/mesh-v2 target/package-files
cargo deb --locked --no-build --no-strip --quiet --target "$target" --output "$folder/"
