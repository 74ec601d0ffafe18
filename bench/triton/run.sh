#!/usr/bin/env bash
# Serve the built-in models and drive them with Triton's own Python client. Without Python or PyPI it says so and skips.
set -euo pipefail
here=$(dirname "$0")
program=${1:?usage: run.sh PROGRAM}
venv=$here/.venv
python3 -c 'import venv, ensurepip' 2>/dev/null || { echo "--  tritonclient: skipped, python3 with venv is missing"; exit 0; }
if [ ! -e "$venv/ready" ] || [ "$here/requirements.txt" -nt "$venv/ready" ]; then
	python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" || {
		echo "--  tritonclient: skipped, it could not be installed"
		exit 0
	}
	touch "$venv/ready"
fi
scratch=$(mktemp -d)
: >"$scratch/log"
"$program" serve --listen "unix://$scratch/socket" --http-listen '' >"$scratch/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$scratch"' EXIT
for _ in $(seq 200); do
	grep -q serving "$scratch/log" && break
	kill -0 $server 2>/dev/null || { cat "$scratch/log"; exit 1; }
	sleep 0.1
done
"$venv/bin/python" "$here/check.py" "unix://$scratch/socket" ring || { cat "$scratch/log"; exit 1; }
