// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package policy

import (
	"maps"
	"slices"

	corev1 "k8s.io/api/core/v1"
)

// Matters says whether an update can change what Resolve says. Most do not: a container that starts or ends, a probe that passes, a
// node's heartbeat.
func Matters(before, after any) bool {
	switch after := after.(type) {
	case *corev1.Pod:
		before, known := before.(*corev1.Pod)
		return !known || before.UID != after.UID || before.Spec.NodeName != after.Spec.NodeName ||
			before.Status.Phase != after.Status.Phase || before.Status.PodIP != after.Status.PodIP || !maps.Equal(before.Labels, after.Labels)
	case *corev1.Namespace:
		before, known := before.(*corev1.Namespace)
		return !known || before.UID != after.UID || !maps.Equal(before.Labels, after.Labels)
	case *corev1.Node:
		before, known := before.(*corev1.Node)
		return !known || before.UID != after.UID || before.Spec.PodCIDR != after.Spec.PodCIDR || !maps.Equal(before.Labels, after.Labels) ||
			!slices.Equal(before.Status.Addresses, after.Status.Addresses)
	}
	return true
}
