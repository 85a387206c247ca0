// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"cmp"
	"net/netip"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Rule is one step of a tier: the first one that matches a packet says what becomes of it. Pass hands it on to the next tier, and so
// does a tier of which no rule matches.
type Rule struct {
	Action Action
	Peers  Ranges
	Ports  Ports
}

// denyAll is what a Deny or Pass rule becomes that says what is not understood here: the API demands to fail closed.
var denyAll = []Rule{{Action: Deny, Peers: Everything}}

// inOrder sorts policies as they are consulted within their tier. Equal priorities are undefined in the API; here the name decides.
func inOrder(policies []*ClusterNetworkPolicy) []*ClusterNetworkPolicy {
	sorted := slices.Clone(policies)
	slices.SortFunc(sorted, func(a, b *ClusterNetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Spec.Priority, b.Spec.Priority), cmp.Compare(a.Name, b.Name))
	})
	return sorted
}

// tiers adds to what NetworkPolicies say what the cluster-level policies say before them, and after them where no NetworkPolicy
// selects the pod: a NetworkPolicy that does always has the last word.
func (r resolver) tiers(pod *corev1.Pod, kind networkingv1.PolicyType, direction Direction) Direction {
	direction.Admin = r.tier(pod, kind, Admin)
	if !direction.Isolated {
		direction.Baseline = r.tier(pod, kind, Baseline)
	}
	return direction
}

func (r resolver) tier(pod *corev1.Pod, kind networkingv1.PolicyType, tier Tier) []Rule {
	var rules []Rule
	for _, policy := range r.clusterPolicies {
		if policy.Spec.Tier != tier || !r.matches(policy.Spec.Subject, pod) {
			continue
		}
		given := policy.Spec.Ingress
		if kind == networkingv1.PolicyTypeEgress {
			given = policy.Spec.Egress
		}
		for _, rule := range given {
			rules = append(rules, r.clusterRule(pod, kind, rule)...)
		}
	}
	return rules
}

// matches says whether a subject or peer selects a pod. r.pods holds no pod of a node's own network: those are never selected.
func (r resolver) matches(peer ClusterNetworkPolicyPeer, pod *corev1.Pod) bool {
	set, known := r.namespaces[pod.Namespace]
	switch {
	case !known:
		return false
	case peer.Namespaces != nil:
		return selects(peer.Namespaces, set)
	case peer.Pods != nil:
		return selects(&peer.Pods.NamespaceSelector, set) && selects(&peer.Pods.PodSelector, labels.Set(pod.Labels))
	default:
		return false
	}
}

// clusterRule resolves one rule to steps with the same action, so that their order among each other says nothing.
func (r resolver) clusterRule(pod *corev1.Pod, kind networkingv1.PolicyType, rule ClusterNetworkPolicyRule) []Rule {
	pods, addressed, known := r.clusterPeers(kind, rule)
	known = known && slices.Contains([]Action{Accept, Deny, Pass}, rule.Action)
	ports, names, understood := protocolsOf(rule.Protocols)
	if !known || !understood {
		if rule.Action == Accept {
			return nil
		}
		return denyAll
	}
	var steps []Rule
	add := func(peers Ranges, ports Ports) {
		if len(peers) > 0 {
			steps = append(steps, Rule{Action: rule.Action, Peers: peers, Ports: ports})
		}
	}
	everybody := Union(addresses(pods), addressed)
	for _, one := range ports {
		add(everybody, one)
	}
	for _, name := range names {
		if kind == networkingv1.PolicyTypeIngress {
			for _, one := range portsNamed(pod, name) { // a named port is the receiving pod's
				add(everybody, one)
			}
			continue
		}
		for _, peer := range pods { // nodes and networks have no named ports
			for _, one := range portsNamed(peer, name) {
				add(Single(peer.Status.PodIP), one)
			}
		}
	}
	return steps
}

// clusterPeers finds the pods and the addresses that the peers of a rule name; known is false if one of them is not understood.
func (r resolver) clusterPeers(kind networkingv1.PolicyType, rule ClusterNetworkPolicyRule) (pods []*corev1.Pod, addressed Ranges, known bool) {
	peers := rule.From
	if kind == networkingv1.PolicyTypeEgress {
		peers = rule.To
	}
	if len(peers) == 0 {
		return nil, nil, false
	}
	for _, peer := range peers {
		inside := peer.Namespaces != nil || peer.Pods != nil
		switch {
		case inside:
			for _, pod := range r.pods {
				if r.matches(peer, pod) {
					pods = append(pods, pod)
				}
			}
		case kind == networkingv1.PolicyTypeIngress:
			return nil, nil, false
		case peer.Nodes != nil:
			for _, node := range r.nodes {
				if !selects(peer.Nodes, labels.Set(node.Labels)) {
					continue
				}
				for _, address := range node.Status.Addresses {
					addressed = Union(addressed, Single(address.Address))
				}
			}
		case len(peer.Networks) > 0:
			for _, network := range peer.Networks {
				if _, err := netip.ParsePrefix(network); err != nil {
					return nil, nil, false
				}
				addressed = Union(addressed, Block(network))
			}
		case len(peer.DomainNames) > 0 && rule.Action == Accept:
			// Which addresses a name has is not known here: it accepts nothing.
		default:
			return nil, nil, false
		}
	}
	return pods, addressed, true
}

// protocolsOf resolves the protocols of a rule to ports and names of ports; none at all means every port of every protocol.
func protocolsOf(protocols []ClusterNetworkPolicyProtocol) (ports []Ports, names []string, understood bool) {
	if len(protocols) == 0 {
		return []Ports{{}}, nil, true
	}
	for _, given := range protocols {
		var one Ports
		switch {
		case given.TCP != nil:
			one, understood = destinationPorts(corev1.ProtocolTCP, given.TCP)
		case given.UDP != nil:
			one, understood = destinationPorts(corev1.ProtocolUDP, given.UDP)
		case given.SCTP != nil:
			one, understood = destinationPorts(corev1.ProtocolSCTP, given.SCTP)
		case given.DestinationNamedPort != "":
			names = append(names, given.DestinationNamedPort)
			continue
		default:
			understood = false
		}
		if !understood {
			return nil, nil, false
		}
		ports = append(ports, one)
	}
	return ports, names, true
}

func destinationPorts(protocol corev1.Protocol, given *DestinationPorts) (ports Ports, understood bool) {
	port := given.DestinationPort
	switch {
	case port == nil:
		return Ports{protocol, 0, 65535}, true
	case port.Range != nil:
		return Ports{protocol, port.Range.Start, port.Range.End}, port.Range.Start <= port.Range.End
	default:
		return Ports{protocol, port.Number, port.Number}, port.Number > 0
	}
}

// portsNamed finds the ports of that name, of whatever protocol.
func portsNamed(pod *corev1.Pod, name string) []Ports {
	named := intstr.FromString(name)
	var found []Ports
	for _, protocol := range []corev1.Protocol{corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP} {
		found = append(found, namedPorts(pod, networkingv1.NetworkPolicyPort{Protocol: &protocol, Port: &named})...)
	}
	return found
}
