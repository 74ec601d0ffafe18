#!/bin/sh
# Writes the licences of everything that comes with a program of Langevin to a folder: its own, those of the Go modules
# in it, one folder each, and that of ONNX Runtime with its notices.
#
#   tools/licences.sh PROGRAM FOLDER
#
# ONNX Runtime's are in its Python package, which is downloaded once and kept next to the library.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
program=$1 out=$2

fail() {
	echo "licences: $*" >&2
	exit 1
}

scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
mkdir -p "$out"
install -m 644 "$root/LICENSE" "$out/LICENSE"

go version -m "$program" | awk '$1 == "dep" { print $2 "@" $3 }' >"$scratch/modules"
[ -s "$scratch/modules" ] || fail "$program names no modules"
cd "$root"
while read -r module; do
	from=$(go mod download -json "$module" | sed -n 's/^\t"Dir": "\(.*\)",$/\1/p')
	to=$out/${module%@*}
	found=$(find "$from" -maxdepth 1 -type f \( -iname '*LICEN[CS]E*' -o -iname 'COPYING*' -o -iname 'NOTICE*' \))
	[ -n "$found" ] || {
		echo "licences: $module has no file with its licence" >&2
		continue
	}
	mkdir -p "$to"
	echo "$found" | while read -r file; do install -m 644 "$file" "$to/"; done
done <"$scratch/modules"

ort=$(sed -n 's/^version = //p' internal/onnxruntime/onnxruntime.lock)
kept=.onnxruntime/$ort/licences
[ -d "$kept" ] || {
	command -v python3 >/dev/null || fail "python3 is needed"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: \
		--dest "$scratch/wheel" "onnxruntime==$ort" ||
		fail "the licence of ONNX Runtime is in the Python package onnxruntime==$ort"
	mkdir "$scratch/kept"
	python3 - "$scratch"/wheel/*.whl "$scratch/kept" <<-'PYTHON'
		import pathlib, sys, zipfile
		with zipfile.ZipFile(sys.argv[1]) as wheel:
		    for name in ("LICENSE", "ThirdPartyNotices.txt"):
		        (pathlib.Path(sys.argv[2]) / name).write_bytes(wheel.read("onnxruntime/" + name))
	PYTHON
	mkdir -p "$(dirname "$kept")"
	cp -r "$scratch/kept" "$kept.$$" && mv "$kept.$$" "$kept"
}
mkdir -p "$out/onnxruntime"
install -m 644 "$kept"/* "$out/onnxruntime/"
