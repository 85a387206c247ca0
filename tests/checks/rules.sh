#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# The platform's alert rules, checked and tested, and the dashboards' queries, checked, by promtool, built of the lab's own Go module.
set -euo pipefail
cache=$1
cd "$(dirname "$0")/../.."
module=roles/lab_binaries/files/go
key=$(cat $module/go.mod $module/go.sum | sha256sum | cut -c1-16)
# Kept from an earlier run, if it is of exactly these modules.
promtool=$cache/promtool/$key/promtool
if [ ! -x "$promtool" ]; then
  toolchain=$(compgen -G "$cache/go/toolchain/*/bin" | head -n 1 || true)
  PATH=/usr/local/go/bin:$PATH:$toolchain
  if ! go version 2>/dev/null | grep -qE 'go1\.(2[6-9]|[3-9][0-9])'; then
    echo "SKIPPED: the tests of the alert rules need Go 1.26 or newer, which the lab's build brings (make up)."
    exit 0
  fi
  mkdir -p "$(dirname "$promtool")"
  # The flags and caches of the lab's build (roles/lab_binaries/vars), so that nothing is compiled twice.
  (
    export GOCACHE=$cache/go/build GOMODCACHE=$cache/go/mod GOTOOLCHAIN=local GOWORK=off CGO_ENABLED=0
    export GOFLAGS="-modcacherw -mod=readonly -trimpath -buildvcs=false -pgo=off -tags=no_btrfs,no_zfs,no_devmapper,no_tracing,nri_no_wasm,grpcnotrace,seccomp,remove_all_sd,enable_kubernetes_sd"
    cd $module
    nice -n 15 go build -o "$promtool.unfinished" "-ldflags=-s -w" github.com/prometheus/prometheus/cmd/promtool
    mv "$promtool.unfinished" "$promtool"
  )
fi
folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
PYTHONPATH=.collections python tests/checks/alert_tests.py "$folder"
"$promtool" check rules --lint=all --lint-fatal "$folder/rules.yml"
"$promtool" check rules --lint=all --lint-fatal "$folder/queries.yml"
"$promtool" test rules "$folder/tests.yml"
