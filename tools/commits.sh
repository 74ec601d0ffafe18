#!/bin/sh
# Checks the messages of the commits that a base does not have: a subject of at most 72 characters, an empty line, and a
# body that says why. Its argument is the base. Merges are left out, since their messages are made by git.
set -eu

base=$1
most=72
root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

show() { git -C "$root" log -1 --format="$1" "$2"; }

# characters counts those of UTF-8 text, in any locale: every byte but those that continue a character.
characters() { printf '%s' "$1" | LC_ALL=C tr -d '\200-\277' | wc -c; }

status=0
complain() {
	printf '%s %s\n    %s\n' "$(show %h "$1")" "$(show %s "$1")" "$2"
	status=1
}

commits=$(git -C "$root" rev-list --reverse --no-merges "$base..HEAD")
for commit in $commits; do
	length=$(characters "$(show %s "$commit")")
	[ "$length" -le "$most" ] || complain "$commit" "the subject has $((length)) characters: at most $most are allowed"
	[ -n "$(show %b "$commit")" ] || complain "$commit" "there is no body: leave a line empty, then say why"
done
exit $status
