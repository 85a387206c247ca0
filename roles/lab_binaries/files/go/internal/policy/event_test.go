// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"testing"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
)

func TestMatters(t *testing.T) {
	web := pod("a", "web", "10.0.0.1", "app=web")
	namespace := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "a", Labels: map[string]string{"team": "x"}}}
	node := &corev1.Node{
		ObjectMeta: metav1.ObjectMeta{Name: "node1", Labels: map[string]string{"zone": "1"}},
		Spec:       corev1.NodeSpec{PodCIDR: "10.0.0.0/24"},
		Status:     corev1.NodeStatus{Addresses: []corev1.NodeAddress{{Type: corev1.NodeInternalIP, Address: "192.0.2.1"}}},
	}
	for name, test := range map[string]struct {
		before  runtime.Object
		change  func(after runtime.Object)
		matters bool
	}{
		"nothing":         {web, func(runtime.Object) {}, false},
		"another version": {web, func(o runtime.Object) { o.(*corev1.Pod).ResourceVersion = "2" }, false},
		"an ephemeral container": {web, func(o runtime.Object) {
			o.(*corev1.Pod).Spec.EphemeralContainers = []corev1.EphemeralContainer{{}}
		}, false},
		"readiness": {web, func(o runtime.Object) {
			o.(*corev1.Pod).Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady}}
		}, false},
		"an address":  {web, func(o runtime.Object) { o.(*corev1.Pod).Status.PodIP = "10.0.0.2" }, true},
		"its end":     {web, func(o runtime.Object) { o.(*corev1.Pod).Status.Phase = corev1.PodSucceeded }, true},
		"a pod label": {web, func(o runtime.Object) { o.(*corev1.Pod).Labels["app"] = "db" }, true},
		"a node":      {web, func(o runtime.Object) { o.(*corev1.Pod).Spec.NodeName = "node2" }, true},
		"a successor": {web, func(o runtime.Object) { o.(*corev1.Pod).UID = "2" }, true},

		"a namespace's annotation": {namespace, func(o runtime.Object) { o.(*corev1.Namespace).Annotations = map[string]string{"a": "b"} }, false},
		"a namespace's label":      {namespace, func(o runtime.Object) { delete(o.(*corev1.Namespace).Labels, "team") }, true},

		"a heartbeat": {node, func(o runtime.Object) {
			o.(*corev1.Node).Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady}}
		}, false},
		"a node's range":   {node, func(o runtime.Object) { o.(*corev1.Node).Spec.PodCIDR = "10.0.1.0/24" }, true},
		"a node's label":   {node, func(o runtime.Object) { o.(*corev1.Node).Labels["zone"] = "2" }, true},
		"a node's address": {node, func(o runtime.Object) { o.(*corev1.Node).Status.Addresses[0].Address = "192.0.2.2" }, true},

		"a policy": {&networkingv1.NetworkPolicy{}, func(runtime.Object) {}, true},
	} {
		after := test.before.DeepCopyObject()
		test.change(after)
		if matters := Matters(test.before, after); matters != test.matters {
			t.Errorf("%s: %v, want %v", name, matters, test.matters)
		}
	}
}
