// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Package policy turns NetworkPolicies (networking.k8s.io/v1), ClusterNetworkPolicies (policy.networking.k8s.io/v1alpha2) and the pods
// and namespaces they select into what one node has to enforce: per pod of the node and direction, the addresses and ports that may
// pass. It takes and returns plain data.
//
// Source of the semantics: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/network-policy-v1/
package policy

import (
	"cmp"
	"slices"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/util/intstr"
)

// Ports is one protocol with a closed interval of destination ports; Protocol "" means every protocol and port.
type Ports struct {
	Protocol    corev1.Protocol
	First, Last int32
}

// Permission lets packets pass whose peer address is in Peers and whose destination port is in Ports.
type Permission struct {
	Peers Ranges
	Ports Ports
}

// Direction is what one pod may receive or send. Isolated false: no NetworkPolicy selects the pod in this direction, everything passes
// that the tiers of the cluster do not deny. Baseline is empty where Isolated is true.
type Direction struct {
	Isolated        bool
	Permissions     []Permission
	Admin, Baseline []Rule
}

// Endpoint is a pod of the node.
type Endpoint struct {
	Pod, Address    string
	Ingress, Egress Direction
}

// Cluster is what the API server knows.
type Cluster struct {
	Pods            []*corev1.Pod
	Namespaces      []*corev1.Namespace
	Nodes           []*corev1.Node
	Policies        []*networkingv1.NetworkPolicy
	ClusterPolicies []*ClusterNetworkPolicy
}

// Resolve says what the node has to enforce, in a fixed order.
func Resolve(cluster Cluster, node string) []Endpoint {
	resolver := newResolver(cluster)
	var endpoints []Endpoint
	for _, pod := range resolver.pods {
		if pod.Spec.NodeName != node {
			continue
		}
		endpoints = append(endpoints, Endpoint{
			Pod:     pod.Namespace + "/" + pod.Name,
			Address: pod.Status.PodIP,
			Ingress: resolver.tiers(pod, networkingv1.PolicyTypeIngress, resolver.ingress(pod)),
			Egress:  resolver.tiers(pod, networkingv1.PolicyTypeEgress, resolver.egress(pod)),
		})
	}
	slices.SortFunc(endpoints, func(a, b Endpoint) int { return cmp.Compare(a.Address, b.Address) })
	return endpoints
}

type resolver struct {
	pods            []*corev1.Pod
	namespaces      map[string]labels.Set
	nodes           []*corev1.Node
	policies        []*networkingv1.NetworkPolicy
	clusterPolicies []*ClusterNetworkPolicy
}

func newResolver(cluster Cluster) resolver {
	result := resolver{
		namespaces: map[string]labels.Set{}, nodes: cluster.Nodes, policies: slices.Clone(cluster.Policies),
		clusterPolicies: inOrder(cluster.ClusterPolicies),
	}
	for _, namespace := range cluster.Namespaces {
		result.namespaces[namespace.Name] = namespace.Labels
	}
	for _, pod := range cluster.Pods {
		if hasOwnAddress(pod) {
			result.pods = append(result.pods, pod)
		}
	}
	slices.SortFunc(result.policies, func(a, b *networkingv1.NetworkPolicy) int {
		return cmp.Or(cmp.Compare(a.Namespace, b.Namespace), cmp.Compare(a.Name, b.Name))
	})
	return result
}

// hasOwnAddress leaves out pods of the node's own network, which policies never select, and those that are over: their address may
// belong to another pod by now. A terminating pod still has its address and may still need its connections.
func hasOwnAddress(pod *corev1.Pod) bool {
	return !pod.Spec.HostNetwork && pod.Status.PodIP != "" &&
		pod.Status.Phase != corev1.PodSucceeded && pod.Status.Phase != corev1.PodFailed
}

// selects is false for a selector that the API server would not have accepted: such a peer matches nothing.
func selects(selector *metav1.LabelSelector, set labels.Set) bool {
	parsed, err := metav1.LabelSelectorAsSelector(selector)
	return err == nil && parsed.Matches(set)
}

// applies knows the API's default: a policy without policyTypes is about ingress, and about egress if it has egress rules.
func applies(policy *networkingv1.NetworkPolicy, direction networkingv1.PolicyType) bool {
	if len(policy.Spec.PolicyTypes) == 0 {
		return direction == networkingv1.PolicyTypeIngress || len(policy.Spec.Egress) > 0
	}
	return slices.Contains(policy.Spec.PolicyTypes, direction)
}

func (r resolver) selecting(pod *corev1.Pod, direction networkingv1.PolicyType) []*networkingv1.NetworkPolicy {
	var found []*networkingv1.NetworkPolicy
	for _, policy := range r.policies {
		if policy.Namespace == pod.Namespace && applies(policy, direction) &&
			selects(&policy.Spec.PodSelector, pod.Labels) {
			found = append(found, policy)
		}
	}
	return found
}

func (r resolver) ingress(pod *corev1.Pod) Direction {
	policies := r.selecting(pod, networkingv1.PolicyTypeIngress)
	direction := Direction{Isolated: len(policies) > 0}
	for _, policy := range policies {
		for _, rule := range policy.Spec.Ingress {
			pods, blocks := r.peers(policy.Namespace, rule.From)
			peers := Union(addresses(pods), blocks)
			for _, ports := range portsOf(rule.Ports, func(port networkingv1.NetworkPolicyPort) []Ports {
				return namedPorts(pod, port) // a named port is the receiving pod's
			}) {
				direction.add(Permission{Peers: peers, Ports: ports})
			}
		}
	}
	return direction
}

func (r resolver) egress(pod *corev1.Pod) Direction {
	policies := r.selecting(pod, networkingv1.PolicyTypeEgress)
	direction := Direction{Isolated: len(policies) > 0}
	for _, policy := range policies {
		for _, rule := range policy.Spec.Egress {
			pods, blocks := r.peers(policy.Namespace, rule.To)
			peers := Union(addresses(pods), blocks)
			named := func(port networkingv1.NetworkPolicyPort) []Ports {
				// A named port is the port of that name of each receiving pod, which may differ from pod to pod.
				for _, peer := range pods {
					for _, ports := range namedPorts(peer, port) {
						direction.add(Permission{Peers: Single(peer.Status.PodIP), Ports: ports})
					}
				}
				return nil
			}
			for _, ports := range portsOf(rule.Ports, named) {
				direction.add(Permission{Peers: peers, Ports: ports})
			}
		}
	}
	return direction
}

// add leaves out what can never match, and what is there already.
func (d *Direction) add(permission Permission) {
	if len(permission.Peers) == 0 {
		return
	}
	for _, known := range d.Permissions {
		if known.Ports == permission.Ports && slices.Equal(known.Peers, permission.Peers) {
			return
		}
	}
	d.Permissions = append(d.Permissions, permission)
}

// peers resolves the peers of a rule: no peers at all means everybody (every pod by name, every address).
func (r resolver) peers(namespace string, peers []networkingv1.NetworkPolicyPeer) ([]*corev1.Pod, Ranges) {
	if len(peers) == 0 {
		return r.pods, Everything
	}
	var pods []*corev1.Pod
	var blocks Ranges
	for _, peer := range peers {
		if peer.IPBlock != nil {
			block := Block(peer.IPBlock.CIDR)
			for _, except := range peer.IPBlock.Except {
				block = block.Without(Block(except))
			}
			blocks = Union(blocks, block)
			continue
		}
		for _, pod := range r.pods {
			if peer.NamespaceSelector == nil {
				if pod.Namespace != namespace {
					continue
				}
			} else if set, known := r.namespaces[pod.Namespace]; !known || !selects(peer.NamespaceSelector, set) {
				continue
			}
			if peer.PodSelector == nil || selects(peer.PodSelector, pod.Labels) {
				pods = append(pods, pod)
			}
		}
	}
	return pods, blocks
}

func addresses(pods []*corev1.Pod) Ranges {
	sets := make([]Ranges, 0, len(pods))
	for _, pod := range pods {
		sets = append(sets, Single(pod.Status.PodIP))
	}
	return Union(sets...)
}

func protocolOf(port networkingv1.NetworkPolicyPort) corev1.Protocol {
	if port.Protocol == nil {
		return corev1.ProtocolTCP
	}
	return *port.Protocol
}

// portsOf resolves the ports of a rule: none at all means every port of every protocol. Named ports are left to named.
func portsOf(ports []networkingv1.NetworkPolicyPort, named func(networkingv1.NetworkPolicyPort) []Ports) []Ports {
	if len(ports) == 0 {
		return []Ports{{}}
	}
	var resolved []Ports
	for _, port := range ports {
		switch {
		case port.Port == nil:
			resolved = append(resolved, Ports{protocolOf(port), 0, 65535})
		case port.Port.Type == intstr.String:
			resolved = append(resolved, named(port)...)
		default:
			last := port.Port.IntVal
			if port.EndPort != nil {
				last = *port.EndPort
			}
			resolved = append(resolved, Ports{protocolOf(port), port.Port.IntVal, last})
		}
	}
	return resolved
}

// namedPorts finds the ports of that name and protocol that the pod's containers declare; an init container that keeps running
// (restartPolicy Always) serves like any other.
func namedPorts(pod *corev1.Pod, port networkingv1.NetworkPolicyPort) []Ports {
	var found []Ports
	containers := slices.Clone(pod.Spec.Containers)
	for _, container := range pod.Spec.InitContainers {
		if container.RestartPolicy != nil && *container.RestartPolicy == corev1.ContainerRestartPolicyAlways {
			containers = append(containers, container)
		}
	}
	for _, container := range containers {
		for _, declared := range container.Ports {
			protocol := cmp.Or(declared.Protocol, corev1.ProtocolTCP)
			if declared.Name == port.Port.StrVal && protocol == protocolOf(port) {
				found = append(found, Ports{protocol, declared.ContainerPort, declared.ContainerPort})
			}
		}
	}
	return found
}
