#!/bin/sh
# fuzz.sh TIME PATTERN runs every fuzz target whose name matches PATTERN for TIME, one after the other, and prints a
# line for each. Go would minimize an input for a minute, which is longer than TIME; here it has a second. What a target
# finds is in testdata/fuzz of its package, where it is a test from then on.
set -u
time=$1 pattern=$2 status=0
log=$(mktemp)
trap 'rm -f "$log"' EXIT

printf '%-20s %-18s %12s %8s  %s\n' package target executions new result
for file in $(git ls-files --cached --others --exclude-standard '*_test.go' | xargs grep -l '^func Fuzz' | sort); do
	package=./$(dirname "$file")
	for target in $(sed -n 's/^func \(Fuzz[A-Za-z0-9]*\)(.*/\1/p' "$file" | grep -E -- "$pattern"); do
		result=ok
		go test -run '^$' -fuzz "^$target\$" -fuzztime "$time" -fuzzminimizetime 1s -parallel 1 "$package" \
			>"$log" 2>&1 || result=FAILED
		last=$(grep '^fuzz: elapsed' "$log" | tail -1)
		executions=$(echo "$last" | sed -n 's/.*execs: \([0-9]*\).*/\1/p')
		new=$(echo "$last" | sed -n 's/.*new interesting: \([0-9]*\).*/\1/p')
		printf '%-20s %-18s %12s %8s  %s\n' "$package" "$target" "${executions:-?}" "${new:-?}" "$result"
		if [ "$result" = FAILED ]; then
			status=1
			grep -v '^fuzz: elapsed' "$log" | head -40
		fi
	done
done
exit $status
