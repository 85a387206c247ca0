// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"fmt"
	"math/rand"
	"net/netip"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"
)

func pod(namespace, name, address, labels string, ports ...corev1.ContainerPort) *corev1.Pod {
	parsed := map[string]string{}
	for _, pair := range strings.Fields(labels) {
		key, value, _ := strings.Cut(pair, "=")
		parsed[key] = value
	}
	return &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, Labels: parsed},
		Spec:       corev1.PodSpec{NodeName: "node1", Containers: []corev1.Container{{Name: "c", Ports: ports}}},
		Status:     corev1.PodStatus{PodIP: address, Phase: corev1.PodRunning},
	}
}

func cluster(t *testing.T, policies ...string) Cluster {
	t.Helper()
	hostNetwork := pod("a", "host", "10.0.0.99", "app=web")
	hostNetwork.Spec.HostNetwork = true
	done := pod("a", "done", "10.0.0.98", "app=web")
	done.Status.Phase = corev1.PodSucceeded
	result := Cluster{
		Pods: []*corev1.Pod{
			pod("a", "web", "10.0.0.1", "app=web", corev1.ContainerPort{Name: "http", ContainerPort: 8080}),
			pod("a", "db", "10.0.0.2", "app=db tier=data", corev1.ContainerPort{Name: "http", ContainerPort: 9999}),
			pod("b", "web", "10.0.1.1", "app=web", corev1.ContainerPort{Name: "http", ContainerPort: 80}),
			hostNetwork, done,
		},
		Namespaces: []*corev1.Namespace{
			{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"kubernetes.io/metadata.name": "a"}}},
			{ObjectMeta: metav1.ObjectMeta{Name: "b", Labels: map[string]string{"kubernetes.io/metadata.name": "b", "team": "x"}}},
		},
	}
	for index, text := range policies {
		policy := &networkingv1.NetworkPolicy{}
		if err := yaml.UnmarshalStrict([]byte(text), &policy.Spec); err != nil {
			t.Fatal(err)
		}
		policy.Namespace, policy.Name = "a", fmt.Sprintf("p%d", index)
		result.Policies = append(result.Policies, policy)
	}
	return result
}

// passes evaluates what Resolve said for one packet; absent pods are not the node's business.
func passes(endpoints []Endpoint, source, destination string, protocol corev1.Protocol, port int32) bool {
	allowed := func(direction Direction, peer string) bool {
		if !direction.Isolated {
			return true
		}
		value := number(netip.MustParseAddr(peer))
		for _, permission := range direction.Permissions {
			ports := permission.Ports
			if ports.Protocol != "" && (ports.Protocol != protocol || port < ports.First || port > ports.Last) {
				continue
			}
			for _, piece := range permission.Peers {
				if piece.First <= value && value <= piece.Last {
					return true
				}
			}
		}
		return false
	}
	for _, endpoint := range endpoints {
		if endpoint.Address == source && !allowed(endpoint.Egress, destination) {
			return false
		}
		if endpoint.Address == destination && !allowed(endpoint.Ingress, source) {
			return false
		}
	}
	return true
}

func TestResolve(t *testing.T) {
	const webA, dbA, webB, outside = "10.0.0.1", "10.0.0.2", "10.0.1.1", "198.51.100.10"
	type packet struct {
		from, to string
		protocol corev1.Protocol
		port     int32
		passes   bool
	}
	tcp, udp, sctp := corev1.ProtocolTCP, corev1.ProtocolUDP, corev1.ProtocolSCTP
	for name, test := range map[string]struct {
		policies []string
		packets  []packet
	}{
		"no policy: everything passes": {nil, []packet{{webA, dbA, tcp, 1, true}, {outside, webA, udp, 9, true}}},
		"deny all selects every pod of its namespace only": {
			[]string{`{podSelector: {}, policyTypes: [Ingress, Egress]}`},
			[]packet{{webA, dbA, tcp, 80, false}, {webB, webA, tcp, 80, false}, {webA, webB, tcp, 80, false}, {webB, outside, tcp, 443, true}},
		},
		"policyTypes default to ingress, and to egress only with egress rules": {
			[]string{`{podSelector: {}}`},
			[]packet{{webA, webB, tcp, 80, true}, {webB, webA, tcp, 80, false}},
		},
		"an empty rule allows everything": {
			[]string{`{podSelector: {}, ingress: [{}]}`},
			[]packet{{webB, webA, sctp, 80, true}, {outside, dbA, udp, 1, true}},
		},
		"an empty list of rules allows nothing": {
			[]string{`{podSelector: {}, ingress: []}`},
			[]packet{{webB, webA, tcp, 80, false}},
		},
		"policies add up": {
			[]string{`{podSelector: {}, policyTypes: [Ingress]}`, `{podSelector: {matchLabels: {app: web}}, ingress: [{from: [{podSelector: {}}]}]}`},
			[]packet{{dbA, webA, tcp, 1, true}, {webA, dbA, tcp, 1, false}, {webB, webA, tcp, 1, false}},
		},
		"a podSelector alone means the policy's own namespace": {
			[]string{`{podSelector: {matchLabels: {app: db}}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`},
			[]packet{{webA, dbA, tcp, 1, true}, {webB, dbA, tcp, 1, false}},
		},
		"namespaceSelector with podSelector in one peer means both": {
			[]string{`{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}, podSelector: {matchLabels: {app: db}}}]}]}`},
			[]packet{{webB, webA, tcp, 1, false}, {dbA, webA, tcp, 1, false}},
		},
		"namespaceSelector and podSelector in two peers mean either": {
			[]string{`{podSelector: {}, ingress: [{from: [{namespaceSelector: {matchLabels: {team: x}}}, {podSelector: {matchLabels: {app: db}}}]}]}`},
			[]packet{{webB, webA, tcp, 1, true}, {dbA, webA, tcp, 1, true}, {webA, dbA, tcp, 1, false}},
		},
		"an empty namespaceSelector means every namespace": {
			[]string{`{podSelector: {}, ingress: [{from: [{namespaceSelector: {}}]}]}`},
			[]packet{{webB, webA, tcp, 1, true}, {outside, webA, tcp, 1, false}},
		},
		"matchExpressions": {
			[]string{`{podSelector: {matchExpressions: [{key: tier, operator: DoesNotExist}]}, ingress: [{from: [{podSelector: {matchExpressions: [{key: app, operator: In, values: [db, x]}]}}]}]}`},
			[]packet{{dbA, webA, tcp, 1, true}, {webB, webA, tcp, 1, false}, {webA, dbA, tcp, 1, true}},
		},
		"ipBlock with except, host bits set": {
			[]string{`{podSelector: {}, policyTypes: [Egress], egress: [{to: [{ipBlock: {cidr: 198.51.100.77/24, except: [198.51.100.8/29]}}]}]}`},
			[]packet{{webA, "198.51.100.1", tcp, 1, true}, {webA, outside, tcp, 1, false}, {webA, "198.51.101.1", tcp, 1, false}},
		},
		"an IPv6 block matches no pod": {
			[]string{`{podSelector: {}, ingress: [{from: [{ipBlock: {cidr: "::/0"}}]}]}`},
			[]packet{{webB, webA, tcp, 1, false}},
		},
		"ports: protocol defaults to TCP, endPort is inclusive": {
			[]string{`{podSelector: {}, ingress: [{ports: [{port: 80}, {port: 8000, endPort: 8003}, {protocol: UDP, port: 53}, {protocol: SCTP}]}]}`},
			[]packet{
				{webB, webA, tcp, 80, true},
				{webB, webA, udp, 80, false},
				{webB, webA, tcp, 8003, true},
				{webB, webA, tcp, 8004, false},
				{webB, webA, udp, 53, true},
				{webB, webA, sctp, 7, true},
			},
		},
		"a named port of ingress is the receiving pod's": {
			[]string{`{podSelector: {}, ingress: [{ports: [{port: http}]}]}`},
			[]packet{{webB, webA, tcp, 8080, true}, {webB, webA, tcp, 9999, false}, {webB, dbA, tcp, 9999, true}, {webB, dbA, tcp, 8080, false}},
		},
		"a named port of egress is each receiving pod's own, and none of an ipBlock": {
			[]string{`{podSelector: {}, policyTypes: [Egress], egress: [{ports: [{port: http}]}]}`},
			[]packet{{webA, webB, tcp, 80, true}, {webA, webB, tcp, 8080, false}, {webA, dbA, tcp, 9999, true}, {webA, outside, tcp, 80, false}},
		},
		"a named port of another protocol does not match": {
			[]string{`{podSelector: {}, ingress: [{ports: [{port: http, protocol: UDP}]}]}`},
			[]packet{{webB, webA, udp, 8080, false}, {webB, webA, tcp, 8080, false}},
		},
		"pods of the host's network and finished pods are no peers": {
			[]string{`{podSelector: {}, ingress: [{from: [{podSelector: {matchLabels: {app: web}}}]}]}`},
			[]packet{{"10.0.0.99", dbA, tcp, 1, false}, {"10.0.0.98", dbA, tcp, 1, false}, {webA, dbA, tcp, 1, true}},
		},
	} {
		t.Run(name, func(t *testing.T) {
			endpoints := Resolve(cluster(t, test.policies...), "node1")
			if len(endpoints) != 3 {
				t.Fatalf("the node has three pods with addresses of their own, not %d", len(endpoints))
			}
			for _, p := range test.packets {
				if got := passes(endpoints, p.from, p.to, p.protocol, p.port); got != p.passes {
					t.Errorf("%s -> %s %s/%d: passes %v, expected %v", p.from, p.to, p.protocol, p.port, got, p.passes)
				}
			}
		})
	}
}

func TestResolveKnowsOnlyItsNode(t *testing.T) {
	all := cluster(t)
	all.Pods[0].Spec.NodeName = "node2"
	for _, endpoint := range Resolve(all, "node1") {
		if endpoint.Pod == "a/web" {
			t.Error("a pod of another node is not enforced here")
		}
	}
}

// Random sets against the obvious answer, address by address.
func TestRangesAgreeWithMembership(t *testing.T) {
	random := rand.New(rand.NewSource(1))
	draw := func() Ranges {
		var sets []Ranges
		for range random.Intn(4) {
			first := uint32(random.Intn(60))
			sets = append(sets, Ranges{{first, first + uint32(random.Intn(8))}})
		}
		return slicesConcat(sets)
	}
	in := func(ranges Ranges, value uint32) bool {
		for _, piece := range ranges {
			if piece.First <= value && value <= piece.Last {
				return true
			}
		}
		return false
	}
	for range 2000 {
		a, b := draw(), draw()
		union, rest := Union(a, b), Union(a).Without(b)
		for value := range uint32(80) {
			if in(union, value) != (in(a, value) || in(b, value)) {
				t.Fatalf("%v and %v: union %v is wrong at %d", a, b, union, value)
			}
			if in(rest, value) != (in(a, value) && !in(b, value)) {
				t.Fatalf("%v without %v: %v is wrong at %d", a, b, rest, value)
			}
		}
		for index := 1; index < len(union); index++ {
			if union[index-1].Last+1 >= union[index].First {
				t.Fatalf("%v is not merged", union)
			}
		}
	}
}

func slicesConcat(sets []Ranges) Ranges {
	var all Ranges
	for _, set := range sets {
		all = append(all, set...)
	}
	return all
}

func TestEdgesOfTheAddressSpace(t *testing.T) {
	if !Block("0.0.0.0/0").IsEverything() || !Union(Block("0.0.0.0/1"), Block("128.0.0.0/1")).IsEverything() {
		t.Error("the whole address space is one range")
	}
	rest := Block("0.0.0.0/0").Without(Union(Single("0.0.0.0"), Single("255.255.255.255")))
	if got := strings.Join(rest.Strings(), " "); got != "0.0.0.1-255.255.255.254" {
		t.Errorf("got %s", got)
	}
}
