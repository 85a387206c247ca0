// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package nftables

import "azora.platform/lab/internal/policy"

// hasTiers says whether cluster-level policies have something to say about the pod. What it sends to itself comes to the node only
// by way of a Service; NetworkPolicies let that pass, cluster-level policies are asked about it like about everything else.
func hasTiers(endpoint policy.Endpoint) bool {
	return len(endpoint.Ingress.Admin)+len(endpoint.Ingress.Baseline)+len(endpoint.Egress.Admin)+len(endpoint.Egress.Baseline) > 0
}

// entry writes the chains of one direction of one pod, the last tier first because a chain can only go to one that is there, and gives
// the name of the chain to begin with; "" where everything passes.
func entry(chain func(prefix string, lines []string) string, prefix, field string, direction policy.Direction, own bool) string {
	next := ""
	switch {
	case direction.Isolated:
		next = chain(prefix, rules(field, direction, own))
	case len(direction.Baseline) > 0:
		next = chain(prefix, steps(field, direction.Baseline, ""))
	}
	if len(direction.Admin) == 0 {
		return next
	}
	return chain(prefix, steps(field, direction.Admin, next))
}

// steps of a tier: the first match decides. A packet that is accepted returns to the next check (of the other end); one that is passed,
// or that nothing matched, goes to the next tier, and after the last one it is accepted.
func steps(field string, rules []policy.Rule, next string) []string {
	pass := "counter return"
	if next != "" {
		pass = "counter goto " + next
	}
	verdicts := map[policy.Action]string{policy.Accept: "counter return", policy.Deny: "counter drop", policy.Pass: pass}
	lines := make([]string, 0, len(rules)+1)
	for _, rule := range rules {
		lines = append(lines, addressMatch(field, rule.Peers)+portMatch(rule.Ports)+verdicts[rule.Action])
	}
	return append(lines, pass)
}
