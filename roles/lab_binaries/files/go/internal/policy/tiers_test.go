// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"net/netip"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func (ports Ports) match(protocol corev1.Protocol, port int32) bool {
	return ports.Protocol == "" || (ports.Protocol == protocol && ports.First <= port && port <= ports.Last)
}

func (ranges Ranges) match(value uint32) bool {
	for _, piece := range ranges {
		if piece.First <= value && value <= piece.Last {
			return true
		}
	}
	return false
}

// accepts evaluates one direction the way the API's documentation tells it: Admin, NetworkPolicy, Baseline, accepted.
func (direction Direction) accepts(peer string, protocol corev1.Protocol, port int32) bool {
	value := number(netip.MustParseAddr(peer))
	first := func(rules []Rule) Action {
		for _, rule := range rules {
			if rule.Ports.match(protocol, port) && rule.Peers.match(value) {
				return rule.Action
			}
		}
		return Pass
	}
	if action := first(direction.Admin); action != Pass {
		return action == Accept
	}
	if direction.Isolated {
		for _, permission := range direction.Permissions {
			if permission.Ports.match(protocol, port) && permission.Peers.match(value) {
				return true
			}
		}
		return false
	}
	return first(direction.Baseline) != Deny
}

func TestTiers(t *testing.T) {
	const webA, dbA, webB, outside, node = "10.0.0.1", "10.0.0.2", "10.0.1.1", "198.51.100.10", "192.0.2.11"
	const (
		isolateA = `{podSelector: {}, policyTypes: [Ingress, Egress]}`
		openA    = `{podSelector: {}, policyTypes: [Ingress, Egress], ingress: [{}], egress: [{}]}`
		all      = `namespaces: {}`
	)
	// A rule of ingress in namespace a, with what is laid over it.
	ingress := func(tier string, priority int, action, peer, more string) string {
		return fmt.Sprintf(`{tier: %s, priority: %d, subject: {namespaces: {matchLabels: {kubernetes.io/metadata.name: a}}},
			ingress: [{action: %s, from: [{%s}] %s}]}`, tier, priority, action, peer, more)
	}
	egress := func(tier string, action, peer, more string) string {
		return fmt.Sprintf(`{tier: %s, priority: 1, subject: {pods: {namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: a}}, podSelector: {}}},
			egress: [{action: %s, to: [{%s}] %s}]}`, tier, action, peer, more)
	}
	type packet struct {
		from, to string
		protocol corev1.Protocol
		port     int32
		passes   bool
	}
	tcp, udp, sctp := corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP
	for name, test := range map[string]struct {
		policies, clusterPolicies []string
		packets                   []packet
	}{
		"a baseline denies where no NetworkPolicy selects": {
			nil, []string{ingress("Baseline", 1, "Deny", all, "")},
			[]packet{{webB, webA, tcp, 1, false}, {dbA, webA, tcp, 1, false}, {webA, webB, tcp, 1, true}, {outside, webA, tcp, 1, true}},
		},
		"a NetworkPolicy that selects the pod overrides the baseline, whatever it says": {
			[]string{openA}, []string{ingress("Baseline", 1, "Deny", all, "")},
			[]packet{{webB, webA, tcp, 1, true}},
		},
		"a baseline cannot open what a NetworkPolicy closes": {
			[]string{isolateA}, []string{ingress("Baseline", 1, "Accept", all, "")},
			[]packet{{webB, webA, tcp, 1, false}},
		},
		"a NetworkPolicy about ingress leaves egress to the baseline": {
			[]string{`{podSelector: {}}`}, []string{egress("Baseline", "Deny", all, "")},
			[]packet{{webA, webB, tcp, 1, false}, {webA, outside, tcp, 1, true}},
		},
		"admin Deny comes before a NetworkPolicy": {
			[]string{openA}, []string{ingress("Admin", 1, "Deny", all, "")},
			[]packet{{webB, webA, tcp, 1, false}, {outside, webA, tcp, 1, true}},
		},
		"admin Accept comes before a NetworkPolicy": {
			[]string{isolateA}, []string{ingress("Admin", 1, "Accept", all, "")},
			[]packet{{webB, webA, tcp, 1, true}, {webB, dbA, udp, 9, true}},
		},
		"Accept of ingress says nothing about the egress of the other end": {
			[]string{isolateA}, []string{ingress("Admin", 1, "Accept", all, "")},
			[]packet{{webA, dbA, tcp, 1, false}},
		},
		"admin Pass hands on to NetworkPolicies, over what is denied later": {
			[]string{`{podSelector: {}, ingress: [{ports: [{port: 80}]}]}`},
			[]string{ingress("Admin", 2, "Deny", all, ""), ingress("Admin", 1, "Pass", all, "")},
			[]packet{{webB, webA, tcp, 80, true}, {webB, webA, tcp, 81, false}},
		},
		"admin Pass hands on to the baseline where no NetworkPolicy selects": {
			nil, []string{ingress("Admin", 1, "Pass", all, ""), ingress("Admin", 2, "Accept", all, ""), ingress("Baseline", 1, "Deny", all, "")},
			[]packet{{webB, webA, tcp, 80, false}},
		},
		"baseline Pass ends in acceptance": {
			nil, []string{ingress("Baseline", 1, "Pass", all, ""), ingress("Baseline", 2, "Deny", all, "")},
			[]packet{{webB, webA, tcp, 80, true}},
		},
		"the lower priority decides, not the order of the objects": {
			nil, []string{ingress("Admin", 7, "Deny", all, ""), ingress("Admin", 3, "Accept", all, "")},
			[]packet{{webB, webA, tcp, 80, true}},
		},
		"within a policy the order of the rules decides": {
			nil, []string{`{tier: Admin, priority: 1, subject: {namespaces: {}}, ingress: [
				{action: Accept, from: [{pods: {namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchLabels: {app: web}}}}]},
				{action: Deny, from: [{namespaces: {}}]}]}`},
			[]packet{{webB, webA, tcp, 80, true}, {dbA, webA, tcp, 80, false}},
		},
		"a policy without rules for a direction leaves it alone": {
			nil, []string{ingress("Baseline", 1, "Deny", all, "")},
			[]packet{{webA, outside, tcp, 1, true}, {webA, webB, tcp, 1, true}},
		},
		"networks match pods as well": {
			nil, []string{egress("Baseline", "Deny", `networks: ["0.0.0.0/0", "::/0"]`, "")},
			[]packet{{webA, webB, tcp, 1, false}, {webA, outside, udp, 1, false}, {webB, webA, tcp, 1, true}},
		},
		"nodes match by their addresses and labels": {
			nil, []string{egress("Admin", "Deny", `nodes: {matchLabels: {zone: one}}`, "")},
			[]packet{{webA, node, tcp, 1, false}, {webA, "192.0.2.12", tcp, 1, true}, {webA, webB, tcp, 1, true}},
		},
		"protocols: numbers, ranges, a protocol without a port": {
			nil, []string{ingress("Admin", 1, "Deny", all,
				`, protocols: [{tcp: {destinationPort: {number: 80}}}, {udp: {destinationPort: {range: {start: 50, end: 60}}}}, {sctp: {}}]`)},
			[]packet{
				{webB, webA, tcp, 80, false},
				{webB, webA, tcp, 81, true},
				{webB, webA, udp, 80, true},
				{webB, webA, udp, 60, false},
				{webB, webA, udp, 61, true},
				{webB, webA, sctp, 7, false},
			},
		},
		"a named port of ingress is the receiving pod's": {
			nil, []string{ingress("Admin", 1, "Deny", all, `, protocols: [{destinationNamedPort: http}]`)},
			[]packet{{webB, webA, tcp, 8080, false}, {webB, webA, tcp, 9999, true}, {webB, dbA, tcp, 9999, false}, {webB, webA, udp, 8080, true}},
		},
		"a named port of egress is each receiving pod's own": {
			nil, []string{egress("Admin", "Deny", all, `, protocols: [{destinationNamedPort: http}]`)},
			[]packet{{webA, webB, tcp, 80, false}, {webA, webB, tcp, 8080, true}, {webA, dbA, tcp, 9999, false}},
		},
		"a name of a port that nobody has matches nothing": {
			nil, []string{ingress("Admin", 1, "Deny", all, `, protocols: [{destinationNamedPort: nothing}]`)},
			[]packet{{webB, webA, tcp, 8080, true}},
		},
		"an unknown peer: Deny denies all": {
			nil, []string{egress("Admin", "Deny", `somethingNew: {}`, `, protocols: [{tcp: {destinationPort: {number: 80}}}]`)},
			[]packet{{webA, outside, udp, 1, false}},
		},
		"an unknown peer: Pass denies all": {
			nil, []string{ingress("Admin", 1, "Pass", `somethingNew: {}`, "")},
			[]packet{{webB, webA, tcp, 1, false}},
		},
		"an unknown peer: Accept matches nothing, not even its other peers": {
			[]string{isolateA}, []string{ingress("Admin", 1, "Accept", `somethingNew: {}}, {namespaces: {}`, "")},
			[]packet{{webB, webA, tcp, 1, false}},
		},
		"an unknown protocol: Accept matches nothing, Deny denies all": {
			[]string{isolateA}, []string{
				ingress("Admin", 1, "Accept", all, `, protocols: [{icmp: {}}]`), egress("Admin", "Deny", all, `, protocols: [{icmp: {}}]`),
			},
			[]packet{{webB, webA, tcp, 1, false}, {webA, outside, tcp, 1, false}},
		},
		"a peer of egress is unknown in ingress": {
			nil, []string{ingress("Admin", 1, "Deny", `networks: [192.0.2.0/24]`, "")},
			[]packet{{webB, webA, tcp, 1, false}},
		},
		"Accept of domain names accepts nothing": {
			[]string{isolateA}, []string{egress("Admin", "Accept", `domainNames: [example.org]`, "")},
			[]packet{{webA, outside, tcp, 443, false}},
		},
		"Deny of domain names denies everything": {
			nil, []string{egress("Admin", "Deny", `domainNames: [example.org]`, "")},
			[]packet{{webA, outside, tcp, 443, false}, {webA, webB, udp, 1, false}},
		},
		"a malformed network fails closed": {
			nil, []string{egress("Admin", "Deny", `networks: ["10.0.0.0"]`, "")},
			[]packet{{webA, outside, tcp, 443, false}},
		},
		"pods of the node's own network and finished pods are no peers": {
			nil, []string{ingress("Admin", 1, "Deny", all, "")},
			[]packet{{"10.0.0.99", dbA, tcp, 1, true}, {"10.0.0.98", dbA, tcp, 1, true}, {webA, dbA, tcp, 1, false}},
		},
		"pods that the subject does not select are left alone": {
			nil, []string{ingress("Admin", 1, "Deny", all, "")},
			[]packet{{webA, webB, tcp, 1, true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			whole := cluster(t, test.policies...)
			for index, zone := range []string{"one", "two"} {
				whole.Nodes = append(whole.Nodes, &corev1.Node{
					ObjectMeta: metav1.ObjectMeta{Name: "node" + zone, Labels: map[string]string{"zone": zone}},
					Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Address: "node" + zone}, {Address: fmt.Sprintf("192.0.2.%d", 11+index)}}},
				})
			}
			for index, text := range test.clusterPolicies {
				policy := &ClusterNetworkPolicy{}
				if err := yaml.Unmarshal([]byte(text), &policy.Spec); err != nil {
					t.Fatalf("%v: %s", err, text)
				}
				policy.Name = fmt.Sprintf("c%d", index)
				whole.ClusterPolicies = append(whole.ClusterPolicies, policy)
			}
			endpoints := Resolve(whole, "node1")
			for _, p := range test.packets {
				got := true
				for _, endpoint := range endpoints {
					if endpoint.Address == p.from {
						got = got && endpoint.Egress.accepts(p.to, p.protocol, p.port)
					}
					if endpoint.Address == p.to {
						got = got && endpoint.Ingress.accepts(p.from, p.protocol, p.port)
					}
				}
				if got != p.passes {
					t.Errorf("%s -> %s %s/%d: passes %v, expected %v", p.from, p.to, p.protocol, p.port, got, p.passes)
				}
			}
		})
	}
}
