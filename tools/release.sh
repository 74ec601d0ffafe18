#!/bin/sh
# Writes the files of a release for the machine that it runs on to a folder: an archive, on Debian also a package, a
# software bill of materials, and their digests.
#
#   tools/release.sh VERSION LIBRARY FOLDER
#
# VERSION is as the tag, v1.2.3. LIBRARY is ONNX Runtime. With the same Go, C compiler and commit it writes the same
# bytes: all times are those of the commit.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
version=$1 library=$2 out=$3
cd "$root"

fail() {
	echo "release: $*" >&2
	exit 1
}

case $version in
v[0-9]*.[0-9]*.[0-9]*) ;;
*) fail "the version is \"$version\": want one such as v1.2.3" ;;
esac
for program in python3 tar gzip sha256sum; do
	command -v $program >/dev/null || fail "$program is needed"
done

SOURCE_DATE_EPOCH=$(git log -1 --format=%ct)
export SOURCE_DATE_EPOCH
platform=$(go env GOOS)-$(go env GOARCH)
name=langevin-$version-$platform
mkdir -p "$out"
scratch=$(mktemp -d)
trap 'rm -rf "$scratch"' EXIT
tree=$scratch/$name

# The program finds the library in the folder lib next to its own.
mkdir -p "$tree/bin" "$tree/lib" "$tree/share/man/man1" "$tree/share/bash-completion/completions" \
	"$tree/share/zsh/site-functions" "$tree/share/fish/vendor_completions.d"
linked="-X main.version=$version -X main.commit=$(git rev-parse HEAD)"
go build -trimpath -ldflags "-s -w $linked" -o "$tree/bin/langevin" ./cmd/langevin
cp "$library" "$tree/lib/"
"$tree/bin/langevin" man --out "$tree/share/man/man1"
"$tree/bin/langevin" completion bash >"$tree/share/bash-completion/completions/langevin"
"$tree/bin/langevin" completion zsh >"$tree/share/zsh/site-functions/_langevin"
"$tree/bin/langevin" completion fish >"$tree/share/fish/vendor_completions.d/langevin.fish"
cp LICENSE "$tree/"
# The archive has no other documents, so links lead to those of this version.
for page in README.md CHANGELOG.md; do
	sed -E "s#\]\(([^):\#]+)(\#[^)]*)?\)#](https://github.com/langevin-ml/langevin/blob/$version/\1\2)#g" \
		"$page" >"$tree/$page"
done
mkdir -p "$tree/share/langevin" && cp deploy/systemd/langevin.service "$tree/share/langevin/"

tools/licences.sh "$tree/bin/langevin" "$tree/licences"
ort=$(sed -n 's/^version = //p' internal/onnxruntime/onnxruntime.lock)

# pack FOLDER NAME FILE writes a folder as an archive whose bytes depend on nothing but its files.
pack() {
	tar --sort=name --mtime="@$SOURCE_DATE_EPOCH" --owner=0 --group=0 --numeric-owner -C "$1" -cf - "$2" |
		gzip -9 -n >"$3"
}
pack "$scratch" "$name" "$out/$name.tar.gz"

# The bill of materials, with ONNX Runtime, and with the time of the commit.
go run github.com/CycloneDX/cyclonedx-gomod/cmd/cyclonedx-gomod@v1.9.0 bin -json -licenses -noserial \
	-version "$version" -output "$scratch/bom.json" "$tree/bin/langevin" 2>"$scratch/log" ||
	fail "no bill of materials: $(tail -n 1 "$scratch/log")"
python3 - "$scratch/bom.json" "$out/$name.cdx.json" "$ort" "$library" <<-'PYTHON'
	import datetime, hashlib, json, os, pathlib, sys
	bom = json.load(open(sys.argv[1]))
	made = datetime.datetime.fromtimestamp(int(os.environ["SOURCE_DATE_EPOCH"]), datetime.timezone.utc)
	bom["metadata"]["timestamp"] = made.strftime("%Y-%m-%dT%H:%M:%SZ")
	bom["components"].append({
	    "type": "library", "name": "onnxruntime", "version": sys.argv[3],
	    "bom-ref": "pkg:github/microsoft/onnxruntime@v" + sys.argv[3],
	    "purl": "pkg:github/microsoft/onnxruntime@v" + sys.argv[3],
	    "licenses": [{"license": {"id": "MIT"}}],
	    "hashes": [{"alg": "SHA-256", "content": hashlib.sha256(pathlib.Path(sys.argv[4]).read_bytes()).hexdigest()}],
	})
	json.dump(bom, open(sys.argv[2], "w"), indent=1)
PYTHON

# The Debian package: the program is a link to a folder of its own, where the library is.
if command -v dpkg-deb >/dev/null; then
	debian=$scratch/debian
	mkdir -p "$debian/DEBIAN" "$debian/usr/bin" "$debian/usr/lib/systemd/system" "$debian/usr/share/doc/langevin"
	mkdir -p "$debian/usr/lib/langevin/bin" && cp "$tree/bin/langevin" "$debian/usr/lib/langevin/bin/"
	cp -r "$tree/lib" "$debian/usr/lib/langevin/"
	ln -s ../lib/langevin/bin/langevin "$debian/usr/bin/langevin"
	cp -r "$tree/share/man" "$tree/share/bash-completion" "$tree/share/zsh" "$tree/share/fish" "$debian/usr/share/"
	cp -r "$tree/licences" "$tree/LICENSE" "$tree/CHANGELOG.md" "$debian/usr/share/doc/langevin/"
	cp deploy/systemd/langevin.service "$debian/usr/lib/systemd/system/"
	install -m 755 deploy/debian/postinst deploy/debian/prerm deploy/debian/postrm "$debian/DEBIAN/"
	libc=$(objdump -T "$tree/bin/langevin" "$tree/lib/"* | sed -n 's/.*(GLIBC_\([0-9.]*\)).*/\1/p' |
		sort -V | tail -n 1)
	cat >"$debian/DEBIAN/control" <<-EOF
		Package: langevin
		Version: ${version#v}
		Architecture: $(dpkg --print-architecture)
		Maintainer: The Langevin maintainers <maintainers@langevin-ml.invalid>
		Depends: libc6 (>= $libc), libstdc++6, libgcc-s1
		Recommends: ca-certificates
		Section: science
		Priority: optional
		Homepage: https://github.com/langevin-ml/langevin
		Description: train score networks, serve them, sample by annealed Langevin dynamics
		 Langevin trains noise-conditional score networks, exports them to ONNX and
		 serves sampling over gRPC and HTTP with ONNX Runtime, which is included.
	EOF
	find "$debian" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
	package=langevin_${version#v}_$(dpkg --print-architecture).deb
	dpkg-deb --root-owner-group --build "$debian" "$out/$package" >/dev/null
fi

(cd "$out" && sha256sum -- *"${version#v}"* >SHA256SUMS && cat SHA256SUMS)
