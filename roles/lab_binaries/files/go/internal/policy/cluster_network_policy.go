// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

// ClusterNetworkPolicies is the resource that the types below read.
//
// Source of the semantics: https://network-policy-api.sigs.k8s.io/api-overview/
var ClusterNetworkPolicies = schema.GroupVersionResource{
	Group: "policy.networking.k8s.io", Version: "v1alpha2", Resource: "clusternetworkpolicies",
}

// Tier is where a ClusterNetworkPolicy stands: before or after the NetworkPolicies.
type Tier string

// Action is what becomes of the packets that a rule matches.
type Action string

// The tiers and actions of the API.
const (
	Admin    Tier = "Admin"
	Baseline Tier = "Baseline"

	Accept Action = "Accept"
	Deny   Action = "Deny"
	Pass   Action = "Pass"
)

// ClusterNetworkPolicy is the object of the API, as far as it decides about packets.
type ClusterNetworkPolicy struct {
	metav1.ObjectMeta `json:"metadata"`
	Spec              ClusterNetworkPolicySpec `json:"spec"`
}

// ClusterNetworkPolicySpec orders its rules: the tier first, then the priority (low before high), then their place in the list.
type ClusterNetworkPolicySpec struct {
	Tier     Tier                       `json:"tier"`
	Priority int32                      `json:"priority"`
	Subject  ClusterNetworkPolicyPeer   `json:"subject"`
	Ingress  []ClusterNetworkPolicyRule `json:"ingress,omitempty"`
	Egress   []ClusterNetworkPolicyRule `json:"egress,omitempty"`
}

// ClusterNetworkPolicyRule has From for ingress and To for egress.
type ClusterNetworkPolicyRule struct {
	Name      string                         `json:"name,omitempty"`
	Action    Action                         `json:"action"`
	From      []ClusterNetworkPolicyPeer     `json:"from,omitempty"`
	To        []ClusterNetworkPolicyPeer     `json:"to,omitempty"`
	Protocols []ClusterNetworkPolicyProtocol `json:"protocols,omitempty"`
}

// ClusterNetworkPolicyPeer has exactly one of its fields; a subject and a peer of ingress one of the first two. None of them means a
// field of a newer API.
type ClusterNetworkPolicyPeer struct {
	Namespaces  *metav1.LabelSelector `json:"namespaces,omitempty"`
	Pods        *NamespacedPod        `json:"pods,omitempty"`
	Nodes       *metav1.LabelSelector `json:"nodes,omitempty"`
	Networks    []string              `json:"networks,omitempty"`
	DomainNames []string              `json:"domainNames,omitempty"`
}

// NamespacedPod selects pods by their namespaces and their own labels.
type NamespacedPod struct {
	NamespaceSelector metav1.LabelSelector `json:"namespaceSelector"`
	PodSelector       metav1.LabelSelector `json:"podSelector"`
}

// ClusterNetworkPolicyProtocol has exactly one of its fields.
type ClusterNetworkPolicyProtocol struct {
	TCP                  *DestinationPorts `json:"tcp,omitempty"`
	UDP                  *DestinationPorts `json:"udp,omitempty"`
	SCTP                 *DestinationPorts `json:"sctp,omitempty"`
	DestinationNamedPort string            `json:"destinationNamedPort,omitempty"`
}

// DestinationPorts without a port are all ports of their protocol.
type DestinationPorts struct {
	DestinationPort *struct {
		Number int32 `json:"number,omitempty"`
		Range  *struct {
			Start int32 `json:"start"`
			End   int32 `json:"end"`
		} `json:"range,omitempty"`
	} `json:"destinationPort,omitempty"`
}
