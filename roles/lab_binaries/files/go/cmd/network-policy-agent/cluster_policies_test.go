// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
)

const patience = 20 * time.Second

// apiServer serves no more than the API of the cluster-level policies, once it is there.
type apiServer struct {
	installed, broken atomic.Bool
}

func (s *apiServer) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	answer := func(status int, body any) {
		writer.Header().Set("Content-Type", "application/json")
		writer.WriteHeader(status)
		_ = json.NewEncoder(writer).Encode(body)
	}
	switch path := strings.TrimPrefix(request.URL.Path, "/apis/policy.networking.k8s.io/v1alpha2"); {
	case s.broken.Load():
		answer(http.StatusServiceUnavailable, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 503, "reason": "ServiceUnavailable"})
	case !s.installed.Load():
		answer(http.StatusNotFound, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 404, "reason": "NotFound"})
	case path == "":
		answer(http.StatusOK, map[string]any{"kind": "APIResourceList", "apiVersion": "v1", "groupVersion": "policy.networking.k8s.io/v1alpha2",
			"resources": []any{map[string]any{"name": "clusternetworkpolicies", "kind": "ClusterNetworkPolicy", "verbs": []any{"list", "watch"}}}})
	case request.URL.Query().Get("sendInitialEvents") != "":
		answer(http.StatusUnprocessableEntity, map[string]any{"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": 422, "reason": "Invalid"})
	case request.URL.Query().Get("watch") != "":
		writer.Header().Set("Content-Type", "application/json")
		writer.WriteHeader(http.StatusOK)
		writer.(http.Flusher).Flush()
		<-request.Context().Done()
	default:
		policy := map[string]any{
			"kind": "ClusterNetworkPolicy", "apiVersion": "policy.networking.k8s.io/v1alpha2",
			"metadata": map[string]any{"name": "floor", "resourceVersion": "7"},
			"spec": map[string]any{"tier": "Baseline", "priority": 100, "subject": map[string]any{"namespaces": map[string]any{}},
				"ingress": []any{map[string]any{"action": "Deny", "from": []any{map[string]any{"namespaces": map[string]any{}}}}}},
		}
		answer(http.StatusOK, map[string]any{"kind": "ClusterNetworkPolicyList", "apiVersion": "policy.networking.k8s.io/v1alpha2",
			"metadata": map[string]any{"resourceVersion": "7"}, "items": []any{policy}})
	}
}

func until(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(patience); !holds(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatal(what)
		}
	}
}

// Unknown is not the same as none: without an answer there must be no rules that leave cluster-level policies out.
func TestClusterPoliciesAreUnknownThenNoneThenThere(t *testing.T) {
	server := &apiServer{}
	server.broken.Store(true)
	listening := httptest.NewServer(server)
	config := &rest.Config{Host: listening.URL}
	client, err := dynamic.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	var changes atomic.Int32
	changed := func() { changes.Add(1) }
	followed := &clusterPolicies{
		log: slog.New(slog.NewTextHandler(io.Discard, nil)), discovery: discovery.NewDiscoveryClientForConfigOrDie(config), client: client,
		handler: cache.ResourceEventHandlerFuncs{AddFunc: func(any) { changed() }}, changed: changed,
	}
	ctx, stop := context.WithCancel(context.Background())
	t.Cleanup(func() {
		stop()
		listening.CloseClientConnections()
		listening.Close()
	})
	go followed.follow(ctx)

	time.Sleep(100 * time.Millisecond)
	if _, known, err := followed.list(); known || err != nil {
		t.Errorf("the API server does not answer, so nothing is known (known %v, error %v)", known, err)
	}
	server.broken.Store(false)
	until(t, "an API that is not served means that there is no policy", func() bool {
		policies, known, err := followed.list()
		return known && err == nil && len(policies) == 0
	})
	before := changes.Load()
	server.installed.Store(true)
	until(t, "an API that appears is followed", func() bool {
		policies, known, err := followed.list()
		return known && err == nil && len(policies) == 1 && policies[0].Name == "floor" && policies[0].Spec.Priority == 100 &&
			policies[0].Spec.Ingress[0].From[0].Namespaces != nil && policies[0].Spec.Subject.Namespaces != nil
	})
	until(t, "its policies are told", func() bool { return changes.Load() > before })
}
