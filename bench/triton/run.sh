#!/usr/bin/env bash
# Serve the built-in models and drive them with the Python clients of Triton and KServe. Without Python or PyPI it says
# so and skips.
set -euo pipefail
here=$(dirname "$0")
program=${1:?usage: run.sh PROGRAM}
venv=$here/.venv
python3 -c 'import venv, ensurepip' 2>/dev/null || {
	echo "--  clients: skipped, python3 with venv is missing"
	exit 0
}

# install REQUIREMENTS puts a client into the environment, once.
install() {
	local ready=$venv/ready-${1%.txt}
	if [ -e "$ready" ] && [ ! "$here/$1" -nt "$ready" ]; then return; fi
	[ -e "$venv/bin/pip" ] || python3 -m venv "$venv"
	"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$here/$1" || {
		echo "--  $1: skipped, it could not be installed"
		return 1
	}
	touch "$ready"
}

checks=()
if install requirements.txt; then checks+=(check.py http_check.py); fi
if install requirements-kserve.txt; then checks+=(kserve_check.py kserve_manifest.py); fi
[ ${#checks[@]} -gt 0 ] || exit 0
scratch=$(mktemp -d)
: >"$scratch/log"
"$program" serve --listen "unix://$scratch/socket" --http-listen localhost:0 --log-format json >"$scratch/log" 2>&1 &
server=$!
trap 'kill $server 2>/dev/null; wait $server || true; rm -rf "$scratch"' EXIT
for _ in $(seq 200); do
	grep -q '"msg":"serving"' "$scratch/log" && break
	kill -0 $server 2>/dev/null || { cat "$scratch/log"; exit 1; }
	sleep 0.1
done
web=$(sed -n 's|.*"url":"http://\([^"]*\)".*|\1|p' "$scratch/log")
grpc="unix://$scratch/socket"

# run CHECK ARGUMENT... shows the server's log if the check fails.
run() {
	local check=$1
	shift
	"$venv/bin/python" "$here/$check" "$@" || { cat "$scratch/log"; exit 1; }
}

for check in "${checks[@]}"; do
	case $check in
	check.py) run $check "$grpc" ring ;;
	http_check.py) run $check "$web" ring ;;
	kserve_check.py) run $check "$grpc" ring "http://$web" ;;
	kserve_manifest.py) run $check "$here/../../deploy/kserve.yaml" ;;
	esac
done
