#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Installs the programs that tests start, all or those named, so that no test is skipped: on Debian, as root. None is started as a service.
set -euo pipefail
declare -A packages=([chromium]=chromium [haproxy]=haproxy [openssl]=openssl [pg_ctlcluster]=postgresql [redis-server]=redis-server)
missing=()
wanted=("${@:-${!packages[@]}}")
for program in "${wanted[@]}"; do
  command -v "$program" >/dev/null || missing+=("${packages[$program]}")
done
[ "${#missing[@]}" -gt 0 ] || exit 0
if [ "$(id -u)" -ne 0 ] || ! command -v apt-get >/dev/null; then
  echo "Not installed, so the tests that need them are skipped or fail: ${missing[*]}" >&2
  exit 0
fi
echo "Installing for the tests: ${missing[*]}" >&2
# Debian asks this program whether a service may be started.
guard=/usr/sbin/policy-rc.d
if [ ! -e "$guard" ]; then
  trap 'rm -f "$guard"' EXIT
  printf '#!/bin/sh\nexit 101\n' >"$guard"
  chmod 755 "$guard"
fi
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
apt-get install -qq --yes --no-install-recommends "${missing[@]}" >/dev/null
