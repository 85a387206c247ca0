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

func tiers() []policy.Endpoint {
	web := policy.Ports{Protocol: "TCP", First: 80, Last: 80}
	admin := []policy.Rule{
		{Action: policy.Accept, Peers: policy.Single("10.9.0.7"), Ports: web},
		{Action: policy.Pass, Peers: policy.Single("10.9.0.8")},
		{Action: policy.Deny, Peers: policy.Everything},
	}
	floor := []policy.Rule{{Action: policy.Deny, Peers: policy.Everything}}
	isolated := policy.Direction{Isolated: true, Permissions: []policy.Permission{{Peers: policy.Single("10.9.0.8"), Ports: web}}}
	both := isolated
	both.Admin = admin
	return []policy.Endpoint{
		{Pod: "a/both", Address: "10.9.0.1", Ingress: both, Egress: policy.Direction{Admin: admin, Baseline: floor}},
		{Pod: "a/floor", Address: "10.9.0.2", Ingress: policy.Direction{Baseline: floor}},
		{Pod: "a/isolated", Address: "10.9.0.3", Ingress: isolated},
		{Pod: "a/open", Address: "10.9.0.4"},
	}
}

// linesOf gives the rules of a chain.
func linesOf(script, chain string) []string {
	var lines []string
	for line := range strings.Lines(script) {
		if rest, found := strings.CutPrefix(line, "add rule inet azora_network_policy "+chain+" "); found {
			lines = append(lines, strings.TrimSpace(rest))
		}
	}
	return lines
}

// target gives the chain that a line jumps or goes to.
func target(text string) string {
	words := strings.Fields(strings.TrimSuffix(strings.TrimSpace(text), " }"))
	return strings.Trim(words[len(words)-1], ",")
}

func TestTiersAreConsultedInOrder(t *testing.T) {
	script, _ := Render(tiers(), "10.9.0.0/24")
	_, elements, _ := strings.Cut(script, "add element inet azora_network_policy ingress { ")
	elements, _, _ = strings.Cut(elements, "\n")
	entries := strings.Split(elements, ", ")
	if len(entries) != 3 {
		t.Fatalf("three pods have something to check, not %d: %s", len(entries), elements)
	}
	first := linesOf(script, target(entries[0]))
	if len(first) != 4 || first[0] != "ip saddr { 10.9.0.7 } tcp dport 80 counter return" || first[2] != "counter drop" {
		t.Fatalf("the Admin tier in its order, then the next tier: %q", first)
	}
	if !strings.HasPrefix(first[1], "ip saddr { 10.9.0.8 } counter goto ingress_") || !strings.HasPrefix(first[3], "counter goto ingress_") {
		t.Fatalf("Pass goes to the next tier: %q", first)
	}
	second := linesOf(script, target(first[1]))
	want := []string{"ip saddr . ip daddr @hairpin counter return", "ip saddr { 10.9.0.8 } tcp dport 80 counter return", "counter drop"}
	if strings.Join(second, "\n") != strings.Join(want, "\n") {
		t.Errorf("the NetworkPolicies of a pod with tiers: %q", second)
	}
	if got := linesOf(script, target(entries[1])); strings.Join(got, "\n") != "counter drop\ncounter return" {
		t.Errorf("the Baseline tier alone: %q", got)
	}
	if got := linesOf(script, target(entries[2])); strings.Join(got, "\n") != strings.Join(want[1:], "\n") {
		t.Errorf("NetworkPolicies alone stay as they were: %q", got)
	}
	if !strings.Contains(script, "@hairpin") || !strings.Contains(script, "self { 10.9.0.3 . 10.9.0.3, 10.9.0.4 . 10.9.0.4 }") {
		t.Error("pods with tiers are asked about what they send to themselves through a Service, others are not")
	}
	if strings.Contains(first[0], "hairpin") {
		t.Error("the Admin tier is asked first")
	}
}

// The kernel judges the syntax; packets judge the rest on the lab.
func TestKernelAcceptsTheTiers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root for a network namespace")
	}
	if _, err := exec.LookPath("nft"); err != nil {
		t.Skip("needs nft (package nftables)")
	}
	script, _ := Render(tiers(), "10.9.0.0/24")
	command := exec.Command("unshare", "--net", "sh", "-ec", `printf %s "$SCRIPT" | nft -f -; printf %s "$SCRIPT" | nft -f -; nft list table inet azora_network_policy`)
	command.Env = append(os.Environ(), "SCRIPT="+script)
	output, err := command.CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s\n%s", err, output, script)
	}
	for _, expected := range []string{"goto ingress_", "goto egress_", "@hairpin"} {
		if !strings.Contains(string(output), expected) {
			t.Errorf("%q is missing in what stands:\n%s", expected, output)
		}
	}
}
