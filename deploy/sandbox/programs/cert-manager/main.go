// Command cert-manager is the part of cert-manager the sandbox needs, as one program for the host:
//
//	cert-manager controller --kubeconfig FILE [...]
//	cert-manager webhook --kubeconfig FILE --tls-cert-file FILE --tls-private-key-file FILE [...]
//
// Upstream's commands are modules of their own that cannot be fetched by version, so this one wires
// the same packages. Flags keep upstream's names. The module's path lies below cert-manager's own,
// because the webhook is an internal package there.
//
// Issuers of the kinds SelfSigned and CA, certificates with their renewal, the annotations on
// Ingresses and the admission webhook work as in a real installation. ACME, Vault and Venafi have
// nobody to talk to in a sandbox and are not linked.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/pflag"
	"golang.org/x/sync/errgroup"
	"k8s.io/klog/v2"

	"github.com/cert-manager/cert-manager/internal/webhook"
	"github.com/cert-manager/cert-manager/pkg/controller"
	logf "github.com/cert-manager/cert-manager/pkg/logs"
	"github.com/cert-manager/cert-manager/pkg/webhook/options"

	// Each of these packages registers its controller or issuer.
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificate-shim/ingresses"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/approver"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/ca"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificaterequests/selfsigned"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/issuing"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/keymanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/metrics"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/readiness"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/requestmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/revisionmanager"
	_ "github.com/cert-manager/cert-manager/pkg/controller/certificates/trigger"
	_ "github.com/cert-manager/cert-manager/pkg/controller/clusterissuers"
	_ "github.com/cert-manager/cert-manager/pkg/controller/issuers"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/ca"
	_ "github.com/cert-manager/cert-manager/pkg/issuer/selfsigned"
)

// workersPerController is upstream's default.
const workersPerController = 5

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	ctx = logf.NewContext(ctx, klog.Background())

	err := fmt.Errorf("usage: cert-manager controller|webhook [flags]")
	if len(os.Args) > 1 {
		switch os.Args[1] {
		case "controller":
			err = runController(ctx, os.Args[2:])
		case "webhook":
			err = runWebhook(ctx, os.Args[2:])
		}
	}
	if err != nil && !errors.Is(err, pflag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "cert-manager:", err)
		os.Exit(1)
	}
}

// flagSet returns an empty set of flags. The global one will not do: controller-runtime has already
// put its own --kubeconfig there.
func flagSet(command string) *pflag.FlagSet {
	return pflag.NewFlagSet("cert-manager "+command, pflag.ContinueOnError)
}

// runController runs every controller linked above until the context ends.
func runController(ctx context.Context, args []string) error {
	// The values that are not flags are upstream's defaults.
	opts := controller.ContextOptions{
		KubernetesAPIQPS:   20,
		KubernetesAPIBurst: 50,
		IssuerOptions:      controller.IssuerOptions{ClusterIssuerAmbientCredentials: true},
		IngressShimOptions: controller.IngressShimOptions{
			DefaultAutoCertificateAnnotations: []string{"kubernetes.io/tls-acme"},
		},
		CertificateOptions: controller.CertificateOptions{
			CopiedAnnotationPrefixes: []string{
				"*", "-kubectl.kubernetes.io/", "-fluxcd.io/", "-argocd.argoproj.io/",
			},
		},
		SchedulerOptions: controller.SchedulerOptions{MaxConcurrentChallenges: 60},
	}
	var metricsAddress string
	flags := flagSet("controller")
	flags.StringVar(&opts.Kubeconfig, "kubeconfig", "", "file that says how to reach the API server")
	flags.StringVar(&opts.Namespace, "namespace", "", "look at this namespace only")
	flags.StringVar(&opts.ClusterResourceNamespace, "cluster-resource-namespace", "cert-manager",
		"namespace of the secrets of ClusterIssuers")
	flags.StringVar(&opts.DefaultIssuerName, "default-issuer-name", "", "issuer for Ingresses that name none")
	flags.StringVar(&opts.DefaultIssuerKind, "default-issuer-kind", "Issuer", "its kind")
	flags.StringVar(&opts.DefaultIssuerGroup, "default-issuer-group", "cert-manager.io", "its API group")
	flags.DurationVar(&opts.CertificateRequestMinimumBackoffDuration, "certificate-request-minimum-backoff-duration",
		time.Hour, "wait after a first failed issuance")
	flags.DurationVar(&opts.CertificateRequestMaximumBackoffDuration, "certificate-request-maximum-backoff-duration",
		32*time.Hour, "longest wait after failed issuances")
	flags.StringVar(&metricsAddress, "metrics-listen-address", "", "host:port to serve metrics on (default none)")
	if err := flags.Parse(args); err != nil {
		return err
	}

	factory, err := controller.NewContextFactory(ctx, opts)
	if err != nil {
		return err
	}
	shared, err := factory.Build()
	if err != nil {
		return err
	}

	group, ctx := errgroup.WithContext(ctx)
	if metricsAddress != "" {
		listener, err := net.Listen("tcp", metricsAddress)
		if err != nil {
			return err
		}
		server := shared.Metrics.NewServer(listener)
		group.Go(func() error {
			if err := server.Serve(listener); !errors.Is(err, http.ErrServerClosed) {
				return err
			}
			return nil
		})
		group.Go(func() error { <-ctx.Done(); return server.Close() })
	}

	// All constructors ask for their informers before any informer starts.
	controllers := map[string]controller.Interface{}
	for name, construct := range controller.Known() {
		if controllers[name], err = construct(factory); err != nil {
			return fmt.Errorf("controller %s: %w", name, err)
		}
	}
	shared.SharedInformerFactory.Start(ctx.Done())
	shared.KubeSharedInformerFactory.Start(ctx.Done())
	shared.HTTP01ResourceMetadataInformersFactory.Start(ctx.Done())
	for name, each := range controllers {
		group.Go(func() error {
			if err := each.Run(workersPerController, ctx); err != nil && ctx.Err() == nil {
				return fmt.Errorf("controller %s: %w", name, err)
			}
			return nil
		})
	}
	logf.FromContext(ctx).Info("controllers started", "count", len(controllers))
	return group.Wait()
}

// runWebhook serves admission requests until the context ends. All of upstream's flags are known.
func runWebhook(ctx context.Context, args []string) error {
	config, err := options.NewWebhookConfiguration()
	if err != nil {
		return err
	}
	// Upstream serves metrics by default on a port that other host processes may want.
	config.MetricsListenAddress = "0"
	flags := flagSet("webhook")
	options.AddConfigFlags(flags, config)
	if err := flags.Parse(args); err != nil {
		return err
	}
	server, err := webhook.NewCertManagerWebhookServer(logf.FromContext(ctx), *config)
	if err != nil {
		return err
	}
	return server.Run(ctx)
}
