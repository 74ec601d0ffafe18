#!/bin/sh
# Compares the exported names of the public Go packages with those at a commit. Names may be added, but programs that
# compiled then must still compile. The argument is the commit. .tools/apidiff does the comparison.
set -eu

base=$1
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
module=$(awk '$1 == "module" { print $2 }' "$root/go.mod")

old=$(mktemp -d)
trap 'rm -rf "$old"' EXIT
git -C "$root" archive "$base" | tar -xf - -C "$old"

# The interfaces of generated clients grow with every new method. Users only call them, so nothing breaks.
# `buf breaking` compares the services themselves.
grown='^- [A-Za-z]+ServiceClient\.[A-Za-z]+: added$'

status=0
for package in client client/fake proto/langevin/v1; do
	[ -d "$old/$package" ] || continue
	(cd "$old" && "$root/.tools/apidiff" -w "$old/export" "$module/$package")
	(cd "$root" && .tools/apidiff -incompatible "$old/export" "$module/$package" >"$old/changes")
	broken=$(grep -Ev "$grown|^$" "$old/changes") || continue
	printf '%s breaks programs that were written for %s:\n%s\n' "$package" "$base" "$broken"
	status=1
done
exit $status
