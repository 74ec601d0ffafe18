#!/bin/sh
# Tries the files of a release on a root file system that has nothing but the libraries of the C and C++ runtimes: as
# another user, without privileges. Needs root, and a release for this machine.
#
#   tools/release-test.sh VERSION FOLDER
set -eu

version=$1 folder=$2
root=$(mktemp -d) && chmod 755 "$root"
trap 'rm -rf "$root"' EXIT

# inside COMMAND... runs a command in $root.
inside() {
	ROOT=$root unshare --mount --pid --fork sh -c '
		set -e
		mount -t proc proc "$ROOT/proc"
		exec env -i HOME=/tmp PATH=/usr/bin:/opt/langevin/bin "$(command -v setpriv)" --no-new-privs \
			--bounding-set=-all,+setuid,+setgid,+sys_chroot --inh-caps=-all \
			"$(command -v chroot)" --userspec=65534:65534 "$ROOT" "$@"' sh "$@"
}

mkdir -p "$root/tmp" "$root/proc" "$root/opt/langevin"
chmod 1777 "$root/tmp"
tar -xzf "$folder"/langevin-"$version"-*.tar.gz -C "$root/opt/langevin" --strip-components=1
ldd "$root/opt/langevin/bin/langevin" "$root"/opt/langevin/lib/* |
	awk '{ for (i = 1; i <= NF; i++) if ($i ~ /^\/lib/) print $i }' | sort -u |
	while read -r library; do
		mkdir -p "$root$(dirname "$library")"
		cp -L "$library" "$root$library"
	done

! grep -nE '\]\([^):#]+' "$root/opt/langevin/README.md" "$root/opt/langevin/CHANGELOG.md" | grep -v '](https:' ||
	{ echo "release: links to files that the archive does not have" >&2; exit 1; }
inside langevin version
inside langevin demo --out /tmp/demo
[ -s "$root/tmp/demo/ring.png" ]
inside langevin sample ring -n 16 --seed 1 --local >"$root/tmp/archive.csv"
echo "ok  the archive"

package=$(ls "$folder"/langevin_"${version#v}"_*.deb 2>/dev/null || true)
if [ -n "$package" ]; then
	rm -rf "$root/opt"
	dpkg-deb -x "$package" "$root"
	inside /usr/bin/langevin sample ring -n 16 --seed 1 --local >"$root/tmp/package.csv"
	cmp "$root/tmp/archive.csv" "$root/tmp/package.csv"
	echo "ok  the package, and its samples are those of the archive"
fi
(cd "$folder" && sha256sum --check --quiet SHA256SUMS) && echo "ok  the digests"
