#!/bin/sh
# Builds the programs of a test cluster into a folder, from the Go module proxy: Kubernetes, CoreDNS, Helm and pause.
# The first time takes some 15 minutes of two cores and 6 GB of disk; later Go knows what it has built.
#
#   build.sh FOLDER
set -eu

out=$1
cd "$(dirname -- "$0")"
mkdir -p "$out"
GOCACHE=$out/go-build
export GOCACHE
version=v1.37.2
name=k8s.io/component-base/version
go build -p 2 -ldflags "-s -w -X $name.gitVersion=$version -X $name.gitMajor=1 -X $name.gitMinor=37" \
	-o "$out/kubernetes" ./kubernetes
CGO_ENABLED=0 go build -ldflags '-s -w' -o "$out/pause" ./pause
(cd dns && go build -p 2 -trimpath -ldflags '-s -w' -o "$out/dns" .)
(cd ../helm && go build -p 2 -ldflags '-s -w' -o "$out/helm" helm.sh/helm/v4/cmd/helm)
