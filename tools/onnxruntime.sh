#!/bin/sh
# Downloads the ONNX Runtime library that onnxruntime.lock pins to .onnxruntime/<version>/.
#
#   tools/onnxruntime.sh          download it unless it is there
#   tools/onnxruntime.sh path     print where the library is or will be
#
# The library comes from the npm package, or without npm from the release archive. It becomes visible only after its
# digest matches the lock, and then by one rename. So a run may be interrupted at any point, and two runs may race.
# If LANGEVIN_ONNXRUNTIME_LIBRARY names a library, the script uses it and downloads nothing.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
lock=$root/onnxruntime.lock

say() { printf 'onnxruntime: %s\n' "$*" >&2; }

fail() {
	say "$@"
	exit 1
}

# pin KEY prints the value that the lock has for KEY, or nothing.
pin() { awk -v key="$1" '$1 == key && $2 == "=" { print $3 }' "$lock"; }

have() { command -v "$1" >/dev/null 2>&1; }

# relative PATH prints PATH as seen from the root of the repository, for messages.
relative() { printf '%s\n' "${1#"$root"/}"; }

megabytes() { awk -v bytes="$1" 'BEGIN { printf "%.0f MB", bytes / 1e6 }'; }

# platform prints this machine as Go names it: GOOS-GOARCH.
platform() {
	case $(uname -s)-$(uname -m) in
	Linux-x86_64 | Linux-amd64) echo linux-amd64 ;;
	Linux-aarch64 | Linux-arm64) echo linux-arm64 ;;
	Darwin-arm64) echo darwin-arm64 ;;
	*) printf '%s-%s\n' "$(uname -s)" "$(uname -m)" ;;
	esac
}

sha256() {
	if have sha256sum; then
		sha256sum "$1"
	elif have shasum; then
		shasum -a 256 "$1"
	else
		openssl dgst -sha256 -r "$1"
	fi | awk '{ print $1 }'
}

# verify FILE DIGEST NAME exits if FILE is not the pinned one. It does not try another source, because somebody should
# find out why the file is wrong.
verify() {
	found=$(sha256 "$1")
	[ "$found" = "$2" ] || fail "refused $3: its SHA-256 is ${found:-unknown}, onnxruntime.lock says $2"
}

# extract TARBALL MEMBER puts one file of TARBALL at $scratch/library.
extract() {
	mkdir "$scratch/unpacked"
	tar -xzf "$1" -C "$scratch/unpacked" "$2" || fail "no $2 in $(basename "$1")"
	mv "$scratch/unpacked/$2" "$scratch/library"
}

# from_npm downloads the package and runs no script of it. It fails with one line if there is no npm or the package
# cannot be downloaded.
from_npm() {
	have npm || {
		say "npm is not installed"
		return 1
	}
	package=$(pin npm.package)
	say "downloading $version for $platform: npm package $package, $(megabytes "$(pin npm.bytes)")"
	mkdir "$scratch/npm"
	(cd "$scratch/npm" &&
		npm pack "$package@$version" --ignore-scripts --loglevel=error --fetch-retries=1 >/dev/null 2>log) || {
		say "npm could not get $package@$version ($(sed -n 's/.* code //p' "$scratch/npm/log" | head -n 1))"
		return 1
	}
	tarball=$scratch/npm/$package-$version.tgz
	verify "$tarball" "$(pin npm.sha256)" "npm package $package@$version"
	extract "$tarball" "$(pin "$platform.npm.member")"
	verify "$scratch/library" "$(pin "$platform.npm.member.sha256")" "$(pin "$platform.npm.member")"
}

# from_archive downloads the release archive. It fails with one line if there is no curl or the archive cannot be
# downloaded.
from_archive() {
	have curl || {
		say "curl is not installed"
		return 1
	}
	url=$(pin "$platform.archive.url")
	say "downloading $version for $platform: $url, $(megabytes "$(pin "$platform.archive.bytes")")"
	progress=--silent
	[ -t 2 ] && progress=--progress-bar
	curl --fail --location --show-error "$progress" --retry 2 --connect-timeout 20 \
		--output "$scratch/archive.tgz" "$url" || {
		say "curl could not get $url"
		return 1
	}
	verify "$scratch/archive.tgz" "$(pin "$platform.archive.sha256")" "$url"
	extract "$scratch/archive.tgz" "$(pin "$platform.archive.member")"
}

clean() { rm -rf "$scratch"; }

version=$(pin version)
platform=$(platform)
name=$(pin "$platform.library")
wanted=$root/.onnxruntime/$version/$name
chosen=${LANGEVIN_ONNXRUNTIME_LIBRARY:-$wanted}

if [ -z "$name" ] && [ "$chosen" = "$wanted" ]; then
	fail "no pinned library for $platform: set LANGEVIN_ONNXRUNTIME_LIBRARY to ONNX Runtime $version built for it"
fi
if [ "${1:-}" = path ]; then
	printf '%s\n' "$chosen"
	exit
fi
if [ -f "$chosen" ]; then
	say "$version is at $(relative "$chosen")"
	exit
fi
[ "$chosen" = "$wanted" ] ||
	fail "LANGEVIN_ONNXRUNTIME_LIBRARY names $chosen, which is not there:" \
		"correct it, or unset it to download the library"

mkdir -p "$(dirname "$wanted")"
scratch=$(mktemp -d "$root/.onnxruntime/fetch.XXXXXX")
trap clean EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

from_npm || from_archive ||
	fail "could not get ONNX Runtime $version: put the library at $(relative "$wanted") yourself," \
		"or set LANGEVIN_ONNXRUNTIME_LIBRARY to its path"

chmod 644 "$scratch/library"
mv -f "$scratch/library" "$wanted"
say "$version is now at $(relative "$wanted")"
