// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package nftables writes the rules of one node as one nftables transaction, and applies them.
package nftables

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"

	"azora.platform/lab/internal/policy"
)

// Table is the one table of the agent in a node's network namespace.
const Table = "azora_network_policy"

// chainName gives chains with the same rules the same name, so that the replicas of a workload share one.
func chainName(prefix string, rules []string) string {
	sum := sha256.Sum256([]byte(strings.Join(rules, "\n")))
	return prefix + "_" + hex.EncodeToString(sum[:6])
}

// addressMatch is empty where every address matches.
func addressMatch(field string, ranges policy.Ranges) string {
	if ranges.IsEverything() {
		return ""
	}
	return fmt.Sprintf("ip %s { %s } ", field, strings.Join(ranges.Strings(), ", "))
}

func portMatch(ports policy.Ports) string {
	protocol := strings.ToLower(string(ports.Protocol))
	switch {
	case protocol == "":
		return ""
	case ports.First == 0 && ports.Last == 65535:
		return fmt.Sprintf("meta l4proto %s ", protocol)
	case ports.First == ports.Last:
		return fmt.Sprintf("%s dport %d ", protocol, ports.First)
	default:
		return fmt.Sprintf("%s dport %d-%d ", protocol, ports.First, ports.Last)
	}
}

// rules of one direction of one pod: what is permitted returns to the next check, everything else is dropped.
func rules(field string, direction policy.Direction, own bool) []string {
	lines := make([]string, 0, len(direction.Permissions)+2)
	if own {
		lines = append(lines, "ip saddr . ip daddr @hairpin counter return")
	}
	for _, permission := range direction.Permissions {
		lines = append(lines, addressMatch(field, permission.Peers)+portMatch(permission.Ports)+"counter return")
	}
	return append(lines, "counter drop")
}

// Render gives the transaction that replaces the whole table, and the name of its generation. Given the same input it gives the same
// text. podRange is the node's own range of pod addresses: an address in it that belongs to no known pod is closed in both
// directions, so that a pod cannot speak before its policies are in force.
func Render(endpoints []policy.Endpoint, podRange string) (script, generation string) {
	var chains, pods, self, hairpin, ingress, egress []string
	known := map[string]bool{}
	chain := func(prefix string, lines []string) string {
		name := chainName(prefix, lines)
		if !known[name] {
			known[name] = true
			chains = append(chains, fmt.Sprintf("add chain inet %s %s", Table, name))
			for _, line := range lines {
				chains = append(chains, fmt.Sprintf("add rule inet %s %s %s", Table, name, line))
			}
		}
		return name
	}
	for _, endpoint := range endpoints {
		pods = append(pods, endpoint.Address)
		own := hasTiers(endpoint)
		if own {
			hairpin = append(hairpin, endpoint.Address+" . "+endpoint.Address)
		} else {
			self = append(self, endpoint.Address+" . "+endpoint.Address)
		}
		if name := entry(chain, "ingress", "saddr", endpoint.Ingress, own); name != "" {
			ingress = append(ingress, endpoint.Address+" : jump "+name)
		}
		if name := entry(chain, "egress", "daddr", endpoint.Egress, own); name != "" {
			egress = append(egress, endpoint.Address+" : jump "+name)
		}
	}

	var lines []string
	add := func(format string, arguments ...any) { lines = append(lines, fmt.Sprintf(format, arguments...)) }
	collection := func(kind, name, definition string, elements []string) {
		add("add %s inet %s %s { type %s; }", kind, Table, name, definition)
		if len(elements) > 0 {
			add("add element inet %s %s { %s }", Table, name, strings.Join(elements, ", "))
		}
	}
	if len(hairpin) > 0 {
		collection("set", "hairpin", "ipv4_addr . ipv4_addr", hairpin)
	}
	lines = append(lines, chains...)
	collection("set", "pods", "ipv4_addr", pods)
	collection("set", "self", "ipv4_addr . ipv4_addr", self)
	collection("map", "ingress", "ipv4_addr : verdict", ingress)
	collection("map", "egress", "ipv4_addr : verdict", egress)
	// Every packet of a pod, also to a pod of the same node, is forwarded by the node (CNI ptp), after the translation of Service
	// addresses; what the node itself sends (the kubelet's probes) is not, and stays untouched, as the API demands.
	add("add chain inet %s check { type filter hook forward priority filter; policy accept; }", Table)
	add("add rule inet %s check ct state established,related accept", Table)
	// A pod always reaches itself, also through a Service; but through a Service cluster-level policies are asked first.
	add("add rule inet %s check ip saddr . ip daddr @self accept", Table)
	if podRange != "" {
		add("add rule inet %s check ip saddr %s ip saddr != @pods counter drop", Table, podRange)
		add("add rule inet %s check ip daddr %s ip daddr != @pods counter drop", Table, podRange)
	}
	add("add rule inet %s check ip saddr vmap @egress", Table)
	add("add rule inet %s check ip daddr vmap @ingress", Table)
	return transaction(lines)
}

// Closed gives a table that lets nothing new pass: what stands until the first policies are known.
func Closed() (script, generation string) {
	return transaction([]string{
		fmt.Sprintf("add chain inet %s check { type filter hook forward priority filter; policy drop; }", Table),
		fmt.Sprintf("add rule inet %s check ct state established,related accept", Table),
	})
}

// transaction replaces the table as a whole; an empty chain carries the hash of the rules, so that a look tells whether they stand.
func transaction(lines []string) (script, generation string) {
	generation = chainName("generation", lines)
	head := []string{
		fmt.Sprintf("add table inet %s", Table), // so that the next line cannot fail
		fmt.Sprintf("delete table inet %s", Table),
		fmt.Sprintf("add table inet %s", Table),
		fmt.Sprintf("add chain inet %s %s", Table, generation),
	}
	return strings.Join(append(head, lines...), "\n") + "\n", generation
}
