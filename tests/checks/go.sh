#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The unit tests of the lab's own Go programs, with the toolchain and the module cache that build the lab.
set -euo pipefail
cache=$1
cd "$(dirname "$0")/../../roles/lab_binaries/files/go"
toolchain=$(compgen -G "$cache/go/toolchain/*/bin" | head -n 1 || true)
PATH=/usr/local/go/bin:$PATH:$toolchain
if ! go version 2>/dev/null | grep -qE 'go1\.(2[6-9]|[3-9][0-9])'; then
  echo "SKIPPED: the Go tests need Go 1.26 or newer, which the lab's build brings (make up)."
  exit 0
fi
# The flags of the build itself (roles/lab_binaries/vars), so that nothing is compiled twice.
export GOCACHE=$cache/go/build GOMODCACHE=$cache/go/mod
export GOFLAGS="-modcacherw -mod=readonly -trimpath -buildvcs=false -pgo=off -tags=no_btrfs,no_zfs,no_devmapper,no_tracing,nri_no_wasm,grpcnotrace,seccomp,remove_all_sd,enable_kubernetes_sd"
export GOTOOLCHAIN=local CGO_ENABLED=0
unformatted=$(gofmt -l .)
[ -z "$unformatted" ] || { echo "gofmt would change: $unformatted"; exit 1; }
go vet ./cmd/... ./internal/...
go test ./cmd/... ./internal/...
