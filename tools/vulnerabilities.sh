#!/bin/sh
# Compares what Langevin calls with Go's list of known vulnerabilities. .tools/govulncheck does the comparison. A
# vulnerable function of a module that go.mod pins is an error. One of Go itself is a notice, because only whoever
# installs Go can mend it.
#
# The list is the one of vuln.go.dev. Where that cannot be reached, it is made from the newest golang.org/x/vulndb that
# the module proxy of the go command has, and is kept in .tools. If neither answers in five seconds, the check is
# skipped. No list is part of this repository.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"

# The program that writes a list in the form that govulncheck reads.
indexer=golang.org/x/vulndb/cmd/indexdb@v0.0.0-20261105234957-e22db6528018

skip() {
	echo "--  govulncheck: skipped, $1"
	exit 0
}

answers() { curl --silent --fail --location --max-time 5 --output /dev/null "$1"; }

# from_proxy writes the list of the module proxy to .tools and sets list to its address.
from_proxy() {
	proxy=$(go env GOPROXY | sed 's/[,|].*//')
	case $proxy in http*) ;; *) skip "vuln.go.dev does not answer, and GOPROXY names no proxy" ;; esac
	answers "$proxy/golang.org/x/vulndb/@v/list" || skip "neither vuln.go.dev nor the module proxy answers"
	module=$(cd / && go mod download -json golang.org/x/vulndb@latest) || skip "the module proxy has no list"
	version=$(echo "$module" | sed -n 's/^.*"Version": "\(.*\)".*$/\1/p')
	folder=$(echo "$module" | sed -n 's/^.*"Dir": "\(.*\)".*$/\1/p')
	if [ ! -d ".tools/vulndb-$version" ]; then
		rm -rf .tools/vulndb-*
		[ -x .tools/indexdb ] || GOBIN="$root/.tools" go install "$indexer" || skip "its list cannot be read"
		.tools/indexdb -vulns "$folder/data/osv" -out .tools/vulndb-part
		mv .tools/vulndb-part ".tools/vulndb-$version"
	fi
	list="file://$root/.tools/vulndb-$version"
	date=$(echo "$version" | sed 's/^.*\.0-\(0\.\)*\(....\)\(..\)\(..\).*$/\2-\3-\4/')
	origin="list of $date"
}

command -v curl >/dev/null || skip "there is no curl to see whether its list can be had"
list=https://vuln.go.dev origin=vuln.go.dev
answers "$list/index/db.json" || from_proxy

found=$(mktemp)
trap 'rm -f "$found"' EXIT
status=0
.tools/govulncheck -db "$list" ./... >"$found" || status=$?
case $status in
0 | 3) ;;
*) cat "$found" && exit "$status" ;;
esac

# Each finding begins with its number; the lines below it say where it is and in which version it is mended.
summary=$(awk '
	/^Vulnerability #/ { id = $3; ours = 0 }
	/^  Module: /      { ours = 1; module = $2 }
	/^    Fixed in: /  {
		fixed = $3
		sub(/^.*@/, "", fixed)
		if (ours) { print "fault", id, "of", module ", mended in", fixed } else { go++; newest = fixed }
	}
	END { if (go) print "go", go, newest }
' "$found")
if faults=$(echo "$summary" | grep '^fault '); then
	cat "$found"
	echo "govulncheck: Langevin calls what is vulnerable ($origin): move to the versions that mend it"
	echo "$faults" | sed 's/^fault /  /'
	exit 1
fi
if of_go=$(echo "$summary" | grep '^go '); then
	count=$(echo "$of_go" | cut -d ' ' -f 2)
	echo "--  govulncheck: $(go env GOVERSION) has $count known vulnerabilities in what Langevin calls:" \
		"build releases with the newest Go of its series"
fi
echo "ok  govulncheck: no vulnerable module ($origin)"
