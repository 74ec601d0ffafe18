#!/usr/bin/env bash
# test.sh PROGRAM WHEEL: installs the wheel, checks its types, and tests it with a server, which also has a small model
# of a table with a detector. Without Python or PyPI it says so and skips.
set -euo pipefail
here=$(dirname "$0")
program=${1:?usage: test.sh PROGRAM WHEEL}
wheel=${2:?usage: test.sh PROGRAM WHEEL}
venv=$here/.venv
python3 -c 'import venv, ensurepip' 2>/dev/null || {
	echo "--  python: skipped, python3 with venv is missing"
	exit 0
}
[ -e "$venv/bin/pip" ] || python3 -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/requirements.txt" || {
	echo "--  python: skipped, its packages could not be installed"
	exit 0
}
"$venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --force-reinstall "$wheel"
"$venv/bin/ruff" check --quiet --config "$here/pyproject.toml" "$here/langevin" "$here/tests"
"$venv/bin/ruff" format --quiet --check --config "$here/pyproject.toml" "$here/langevin" "$here/tests"
"$venv/bin/mypy" --config-file "$here/pyproject.toml" "$here/langevin"

scratch=$(mktemp -d)
: >"$scratch/log"
pets() { # N: the names of the columns and N rows
	echo kind,weight,age
	for i in $(seq "$1"); do
		echo "$([ $((i % 3)) = 0 ] && echo dog || echo cat),$((i % 7)).$((i % 10)),$((i * i % 13))"
	done
}
pets 60 >"$scratch/pets.csv"
pets 200 >"$scratch/more.csv" # which a detector needs
{
	"$program" train "$scratch/pets.csv" --set training.iterations=30 --out "$scratch" &&
		"$program" detect fit pets --models-dir "$scratch/models" --data "$scratch/more.csv"
} >"$scratch/log" 2>&1 || {
	cat "$scratch/log"
	exit 1
}
"$program" serve "$scratch/models" --listen "unix://$scratch/socket" --http-listen '' >"$scratch/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$scratch"' EXIT
for _ in $(seq 200); do
	grep -q serving "$scratch/log" && break
	kill -0 $server 2>/dev/null || { cat "$scratch/log"; exit 1; }
	sleep 0.1
done
LANGEVIN_PROGRAM=$program LANGEVIN_SERVER="unix://$scratch/socket" "$venv/bin/python" "$here/tests/test_client.py"
