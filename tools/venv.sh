#!/bin/sh
# Installs the Python packages of a list, with PyTorch, into an environment (2 GB, once). Where that is not possible it
# says so, and what needs the packages says what it leaves out.
#
#   tools/venv.sh FOLDER REQUIREMENTS
set -u
folder=$1 requirements=$2
if [ -e "$folder/ready" ]; then
	exit 0
fi
if python3 -m venv "$folder" &&
	"$folder/bin/pip" install --quiet --disable-pip-version-check --requirement "$requirements"; then
	touch "$folder/ready"
else
	echo "the packages of $requirements cannot be installed here" >&2
fi
