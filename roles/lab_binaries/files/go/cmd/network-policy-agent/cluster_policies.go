// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

package main

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync/atomic"
	"time"

	"azora.platform/lab/internal/policy"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/discovery"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/dynamic/dynamicinformer"
	"k8s.io/client-go/tools/cache"
)

// clusterPolicies follows the ClusterNetworkPolicies of a cluster, which need not serve that API, or not yet.
type clusterPolicies struct {
	log       *slog.Logger
	discovery discovery.ServerResourcesInterface
	client    dynamic.Interface
	handler   cache.ResourceEventHandler
	changed   func()
	// Whether the cluster was asked, and what reads the policies; nothing where the API is not served.
	asked    atomic.Bool
	informer atomic.Pointer[cache.SharedIndexInformer]
}

// follow asks until the API is served and then watches it: an API that goes away again takes its objects along first, and its watch
// takes itself up when it comes back.
func (c *clusterPolicies) follow(ctx context.Context) {
	again := time.NewTicker(lookAgain)
	defer again.Stop()
	for {
		served, err := c.served()
		if err != nil {
			c.log.Error("could not ask whether cluster-level policies are served", "error", err)
		}
		if served {
			c.watch(ctx)
			return
		}
		if err == nil && !c.asked.Swap(true) {
			c.log.Info("this cluster serves no cluster-level policies", "api", policy.ClusterNetworkPolicies.GroupVersion().String())
			c.changed()
		}
		select {
		case <-ctx.Done():
			return
		case <-again.C:
		}
	}
}

func (c *clusterPolicies) served() (bool, error) {
	resources, err := c.discovery.ServerResourcesForGroupVersion(policy.ClusterNetworkPolicies.GroupVersion().String())
	if apierrors.IsNotFound(err) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	return slices.ContainsFunc(resources.APIResources, func(resource metav1.APIResource) bool {
		return resource.Name == policy.ClusterNetworkPolicies.Resource
	}), nil
}

func (c *clusterPolicies) watch(ctx context.Context) {
	informer := dynamicinformer.NewFilteredDynamicInformer(
		c.client, policy.ClusterNetworkPolicies, metav1.NamespaceAll, 0, cache.Indexers{}, nil).Informer()
	if _, err := informer.AddEventHandler(c.handler); err != nil {
		c.log.Error("cannot watch cluster-level policies", "error", err)
		return
	}
	// From here on there is no set of rules without what the informer is about to read.
	c.informer.Store(&informer)
	c.asked.Store(true)
	go informer.Run(ctx.Done())
	if cache.WaitForCacheSync(ctx.Done(), informer.HasSynced) {
		c.log.Info("following cluster-level policies", "api", policy.ClusterNetworkPolicies.GroupVersion().String())
		c.changed()
	}
}

// list gives the policies; known is false until they have been read, or the cluster has said that it has none.
func (c *clusterPolicies) list() (policies []*policy.ClusterNetworkPolicy, known bool, err error) {
	if !c.asked.Load() {
		return nil, false, nil
	}
	informer := c.informer.Load()
	if informer == nil {
		return nil, true, nil
	}
	if !(*informer).HasSynced() {
		return nil, false, nil
	}
	for _, object := range (*informer).GetStore().List() {
		content, ok := object.(*unstructured.Unstructured)
		if !ok {
			return nil, false, fmt.Errorf("a cluster-level policy is of type %T", object)
		}
		one := &policy.ClusterNetworkPolicy{}
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(content.Object, one); err != nil {
			return nil, false, fmt.Errorf("the cluster-level policy %s cannot be read: %w", content.GetName(), err)
		}
		policies = append(policies, one)
	}
	return policies, true, nil
}
