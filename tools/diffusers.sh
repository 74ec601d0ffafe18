#!/bin/sh
# Installs the samplers of diffusers, with PyTorch, into a Python environment for make bench-quality (2 GB, once). Where
# that is not possible it says why, and the comparison goes on without them.
#
#   tools/diffusers.sh FOLDER
set -u
folder=$1
if [ -e "$folder/ready" ]; then
	exit 0
fi
if python3 -m venv "$folder" &&
	"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement bench/requirements-quality.txt; then
	touch "$folder/ready"
else
	echo "diffusers cannot be installed here, so the comparison leaves it out" >&2
fi
