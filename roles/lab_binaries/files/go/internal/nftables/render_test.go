// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package nftables

import (
	"os"
	"os/exec"
	"strings"
	"testing"

	"azora.platform/lab/internal/policy"
)

func endpoints() []policy.Endpoint {
	closed := policy.Direction{Isolated: true}
	mixed := policy.Direction{Isolated: true, Permissions: []policy.Permission{
		{Peers: policy.Everything, Ports: policy.Ports{Protocol: "TCP", First: 80, Last: 80}},
		{Peers: policy.Union(policy.Single("10.9.0.7"), policy.Block("198.51.100.0/24")), Ports: policy.Ports{Protocol: "UDP", First: 50, Last: 60}},
		{Peers: policy.Single("10.9.0.8"), Ports: policy.Ports{Protocol: "SCTP", First: 0, Last: 65535}},
		{Peers: policy.Single("10.9.0.9")},
	}}
	return []policy.Endpoint{
		{Pod: "a/one", Address: "10.9.0.1", Ingress: closed, Egress: mixed},
		{Pod: "a/two", Address: "10.9.0.2", Ingress: closed},
		{Pod: "a/three", Address: "10.9.0.3"},
	}
}

func TestRenderIsStableAndSharesChains(t *testing.T) {
	first, generation := Render(endpoints(), "10.9.0.0/24")
	second, same := Render(endpoints(), "10.9.0.0/24")
	if first != second || generation != same {
		t.Error("the same input must give the same transaction")
	}
	if got := strings.Count(first, "add chain inet azora_network_policy ingress_"); got != 1 {
		t.Errorf("two pods that deny everything share one chain, not %d", got)
	}
	changed := endpoints()
	changed[2].Ingress.Isolated = true
	if _, other := Render(changed, "10.9.0.0/24"); other == generation {
		t.Error("another rule must give another generation")
	}
}

// The kernel judges the syntax, in a network namespace made for this test.
func TestKernelAcceptsTheTransaction(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft (package nftables)")
	}
	script, generation := Render(endpoints(), "10.9.0.0/24")
	closed, _ := Closed()
	command := exec.Command("unshare", "--net", "sh", "-ec",
		`printf %s "$CLOSED" | nft -f -; printf %s "$SCRIPT" | nft -f -; printf %s "$SCRIPT" | nft -f -; nft list table inet azora_network_policy`)
	command.Env = append(os.Environ(), "SCRIPT="+script, "CLOSED="+closed)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, output, script)
	}
	for _, expected := range []string{generation, "10.9.0.2 : jump ingress_", "udp dport 50-60", "policy accept", "198.51.100.0"} {
		if !strings.Contains(string(output), expected) {
			t.Errorf("%q is missing in what stands:\n%s", expected, output)
		}
	}
	if strings.Contains(string(output), "policy drop") {
		t.Error("the closed table of before must be gone")
	}
}
