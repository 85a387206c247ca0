// Copyright: azora.platform contributors
// GNU General Public License v3.0 or later (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
// SPDX-License-Identifier: GPL-3.0-or-later

// Command network-policy-agent enforces NetworkPolicies (networking.k8s.io/v1) and, where they are served, ClusterNetworkPolicies
// (policy.networking.k8s.io/v1alpha2) for the pods of one lab node with nftables, in the network namespace it runs in. Each change of a
// policy, pod or namespace leads to one new transaction, usually within 100 ms.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net/http"
	"os"
	"os/signal"
	"sync/atomic"
	"syscall"
	"time"

	"azora.platform/lab/internal/nftables"
	"azora.platform/lab/internal/policy"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
)

const (
	// A burst of events (a rollout, a namespace full of policies) becomes one transaction.
	settle = 30 * time.Millisecond
	// How often the agent looks whether its rules still stand in the kernel, and tries again after an error.
	lookAgain = 2 * time.Second
)

func main() {
	kubeconfig := flag.String("kubeconfig", "",
		"kubeconfig of an account that may list and watch pods, namespaces, nodes, networkpolicies and clusternetworkpolicies")
	node := flag.String("node", "", "name of the node whose pods are enforced")
	health := flag.String("health-bind-address", "", "address:port that answers /healthz with 200 while the current rules stand (empty: none)")
	flag.Parse()
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if *node == "" {
		log.Error("--node is required: the name of the node whose pods are enforced")
		os.Exit(2)
	}
	if err := run(ctx, log, *kubeconfig, *node, *health); err != nil && !errors.Is(err, context.Canceled) {
		log.Error("stopped", "error", err)
		os.Exit(1)
	}
}

type agent struct {
	log      *slog.Logger
	node     string
	changed  chan struct{}
	healthy  atomic.Bool
	standing string
	factory  informers.SharedInformerFactory
	cluster  *clusterPolicies
}

func run(ctx context.Context, log *slog.Logger, kubeconfig, node, health string) error {
	config, err := clientcmd.BuildConfigFromFlags("", kubeconfig)
	if err != nil {
		return err
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	dynamicClient, err := dynamic.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := keepClosed(ctx); err != nil {
		return err
	}
	a := &agent{log: log, node: node, changed: make(chan struct{}, 1), factory: informers.NewSharedInformerFactory(client, 0)}
	watched := []cache.SharedIndexInformer{
		a.factory.Core().V1().Pods().Informer(),
		a.factory.Core().V1().Namespaces().Informer(),
		a.factory.Core().V1().Nodes().Informer(),
		a.factory.Networking().V1().NetworkPolicies().Informer(),
	}
	handler := cache.ResourceEventHandlerFuncs{
		AddFunc: func(any) { a.notify() },
		UpdateFunc: func(before, after any) {
			if policy.Matters(before, after) {
				a.notify()
			}
		},
		DeleteFunc: func(any) { a.notify() },
	}
	for _, informer := range watched {
		if _, err := informer.AddEventHandler(handler); err != nil {
			return err
		}
	}
	a.cluster = &clusterPolicies{log: log, discovery: client.Discovery(), client: dynamicClient, handler: handler, changed: a.notify}
	if health != "" {
		go a.serveHealth(ctx, health)
	}
	go a.cluster.follow(ctx)
	a.factory.Start(ctx.Done())
	log.Info("waiting for the API server", "server", config.Host, "node", node)
	for kind, synced := range a.factory.WaitForCacheSync(ctx.Done()) {
		if !synced {
			return errors.New("could not read " + kind.String())
		}
	}
	return a.enforce(ctx)
}

// notify never blocks: one waiting signal stands for any number of changes.
func (a *agent) notify() {
	select {
	case a.changed <- struct{}{}:
	default:
	}
}

func (a *agent) enforce(ctx context.Context) error {
	look := time.NewTicker(lookAgain)
	defer look.Stop()
	a.notify()
	for {
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-a.changed:
			select {
			case <-ctx.Done():
				return ctx.Err()
			case <-time.After(settle):
			}
			a.apply(ctx)
		case <-look.C:
			if a.standing == "" || !nftables.Stands(ctx, a.standing) {
				a.log.Warn("the rules do not stand: applying them again")
				a.standing = ""
				a.apply(ctx)
			}
		}
	}
}

// keepClosed leaves standing rules as they are; where there are none, nothing passes until the policies are known.
func keepClosed(ctx context.Context) error {
	if nftables.Stands(ctx, "") {
		return nil
	}
	script, _ := nftables.Closed()
	return nftables.Apply(ctx, script)
}

func (a *agent) apply(ctx context.Context) {
	cluster, podRange, known, err := a.read()
	if err != nil || !known {
		// What follows the cluster-level policies tells when they are known.
		if err != nil {
			a.log.Error("could not read the caches", "error", err)
		}
		a.healthy.Store(false)
		if err := keepClosed(ctx); err != nil {
			a.log.Error("could not close the node", "error", err)
		}
		return
	}
	endpoints := policy.Resolve(cluster, a.node)
	script, generation := nftables.Render(endpoints, podRange)
	if generation == a.standing {
		a.healthy.Store(true)
		return
	}
	started := time.Now()
	if err := nftables.Apply(ctx, script); err != nil {
		// The rules of before keep standing; the next look tries again.
		a.healthy.Store(false)
		a.standing = ""
		a.log.Error("could not apply the rules", "error", err)
		return
	}
	a.standing = generation
	a.healthy.Store(true)
	a.log.Info("applied", "pods", len(endpoints), "policies", len(cluster.Policies), "clusterPolicies", len(cluster.ClusterPolicies),
		"generation", generation, "milliseconds", time.Since(started).Milliseconds())
}

// read gives what the API server knows; known is false while it is not clear which cluster-level policies there are.
func (a *agent) read() (cluster policy.Cluster, podRange string, known bool, err error) {
	if cluster.ClusterPolicies, known, err = a.cluster.list(); err != nil || !known {
		return
	}
	if cluster.Pods, err = a.factory.Core().V1().Pods().Lister().List(labels.Everything()); err != nil {
		return
	}
	if cluster.Namespaces, err = a.factory.Core().V1().Namespaces().Lister().List(labels.Everything()); err != nil {
		return
	}
	if cluster.Policies, err = a.factory.Networking().V1().NetworkPolicies().Lister().List(labels.Everything()); err != nil {
		return
	}
	if cluster.Nodes, err = a.factory.Core().V1().Nodes().Lister().List(labels.Everything()); err != nil {
		return
	}
	for _, node := range cluster.Nodes {
		if node.Name == a.node {
			podRange = node.Spec.PodCIDR
		}
	}
	return
}

func (a *agent) serveHealth(ctx context.Context, address string) {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(writer http.ResponseWriter, _ *http.Request) {
		if !a.healthy.Load() {
			http.Error(writer, "the current rules do not stand yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = writer.Write([]byte("ok\n"))
	})
	server := &http.Server{Addr: address, Handler: mux, ReadHeaderTimeout: 5 * time.Second}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		a.log.Error("no health answers", "error", err)
	}
}
