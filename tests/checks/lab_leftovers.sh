#!/usr/bin/env bash
# Copyright: azora.platform contributors
# SPDX-License-Identifier: GPL-3.0-or-later
# Names everything that a lab left behind on this machine, and fails if there is anything. It looks for itself, without the lab's code.
set -uo pipefail
name=$1
found=0
report() { # WHAT LINES
  if [ -n "$2" ]; then
    found=1
    printf '%s of lab %s left behind:\n%s\n' "$1" "$name" "$2"
  fi
}
# A process of the lab works in one of its cgroups, or has a path of the lab in its command line or as its working folder.
processes=$(
  for process in /proc/[0-9]*; do
    pid=${process#/proc/}
    [ "$pid" = $$ ] && continue
    if grep -qs "azora-lab-$name\(/\|\$\)" "$process/cgroup" ||
      { tr '\0' '\n' <"$process/cmdline"; } 2>/dev/null | grep -qsE "/(lib|run)/azora-lab/$name(/|\$)"; then
      echo "$pid $({ tr '\0' ' ' <"$process/cmdline"; } 2>/dev/null | cut -c1-120)"
    fi
  done
)
report Processes "$processes"
report Mounts "$(awk -v p="/azora-lab/$name/" 'index($5 "/", p) {print $5}' /proc/self/mountinfo)"
report "Network namespaces" "$(ip netns list 2>/dev/null | awk '{print $1}' | grep -E "^$name-(control|outside|fabric|node[0-9]+)\$")"
report Links "$(ip -details link show 2>/dev/null | grep -F "alias azora-lab:$name" | grep -E "azora-lab:$name( |\$)")"
report "nftables tables" "$(nft list tables 2>/dev/null | grep -E "azora-lab-$name\$")"
report Cgroups "$(find /sys/fs/cgroup -maxdepth 3 -type d -name "azora-lab-$name" 2>/dev/null)"
report Files "$(ls -d "/var/lib/azora-lab/$name" "/run/azora-lab/$name" 2>/dev/null)"
[ "$found" = 0 ] && echo "Nothing of lab $name is left."
exit "$found"
