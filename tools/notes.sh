#!/bin/sh
# Prints the notes of a release: the section of CHANGELOG.md of its tag, which is the argument, as v0.1.0.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

awk -v heading="## [${1#v}] " '
	index($0, heading) == 1 { inside = 1; next }
	inside && /^(## |\[[^]]*\]: )/ { exit }
	inside && (begun || NF) { begun = 1; print }
	END { exit !begun }
' "$root/CHANGELOG.md" || {
	echo "notes: CHANGELOG.md has no section of ${1#v}" >&2
	exit 1
}
