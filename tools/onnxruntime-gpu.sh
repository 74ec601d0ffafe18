#!/bin/sh
# Downloads the ONNX Runtime build with the CUDA provider that onnxruntime.lock pins to .onnxruntime/<version>-cuda/.
# Prints the path of the library, for LANGEVIN_ONNXRUNTIME_LIBRARY.
#
# The library comes from the Python wheel onnxruntime-gpu, which pip downloads but does not install. It becomes visible
# only after its digest matches the lock, and then by one rename. CUDA, cuDNN and the driver must be installed
# separately. `langevin doctor --device cuda` says what is missing.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)

say() { printf 'onnxruntime-gpu: %s\n' "$*" >&2; }

fail() {
	say "$@"
	exit 1
}

# pin KEY prints the value that the lock has for KEY.
pin() { awk -v key="$1" '$1 == key && $2 == "=" { print $3 }' "$root/onnxruntime.lock"; }

version=$(pin version)
wanted=$root/.onnxruntime/$version-cuda
library=$wanted/libonnxruntime.so.$version

if [ ! -f "$library" ]; then
	[ "$(uname -s)-$(uname -m)" = Linux-x86_64 ] || fail "there is no build for $(uname -s) on $(uname -m)"
	command -v python3 >/dev/null || fail "python3 with pip is needed"
	wheel=$(pin linux-amd64.gpu.wheel)
	mkdir -p "$root/.onnxruntime"
	scratch=$(mktemp -d "$root/.onnxruntime/fetch.XXXXXX")
	trap 'rm -rf "$scratch"' EXIT
	trap 'exit 130' INT
	trap 'exit 143' TERM
	say "downloading $wheel, $(awk -v n="$(pin linux-amd64.gpu.bytes)" 'BEGIN { printf "%.0f MB", n / 1e6 }')"
	python3 -m pip download --quiet --disable-pip-version-check --no-deps --only-binary=:all: --python-version 3.12 \
		--platform manylinux_2_28_x86_64 --dest "$scratch" "onnxruntime-gpu==$version" >&2 ||
		fail "pip could not get onnxruntime-gpu==$version"
	found=$(sha256sum "$scratch/$wheel" | awk '{ print $1 }')
	[ "$found" = "$(pin linux-amd64.gpu.sha256)" ] ||
		fail "refused $wheel: its SHA-256 is $found, onnxruntime.lock says $(pin linux-amd64.gpu.sha256)"
	mkdir "$scratch/libraries"
	python3 - "$scratch/$wheel" "$scratch/libraries" <<-'PYTHON'
		import pathlib, sys, zipfile
		with zipfile.ZipFile(sys.argv[1]) as wheel:
		    for name in wheel.namelist():
		        file = pathlib.PurePosixPath(name).name
		        is_provider = file.startswith("libonnxruntime_providers_") and "tensorrt" not in file
		        if file.startswith("libonnxruntime.so") or is_provider:
		            (pathlib.Path(sys.argv[2]) / file).write_bytes(wheel.read(name))
	PYTHON
	mv "$scratch/libraries" "$wanted"
	needs="CUDA $(pin linux-amd64.gpu.cuda) and cuDNN $(pin linux-amd64.gpu.cudnn)"
	say "$version for $needs is now at ${wanted#"$root"/}"
fi
printf '%s\n' "$library"
