// Command kubeall is every Kubernetes program the sandbox runs, linked into one binary.
//
// The programs share most of their code, so one binary is a third of the size of six, and one
// compile serves all. Which program runs is decided by the name it is called by: symbolic links
// named kube-apiserver, kubelet and so on point at it. Called by any other name, the first argument
// names the program.
package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	kubectl "k8s.io/kubectl/pkg/cmd"
	kubectlutil "k8s.io/kubectl/pkg/cmd/util"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllermanager "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"

	// The same side effects as upstream's own main packages: JSON logs, client and version metrics.
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/version"
)

// servers maps a program's name to the constructor of its root command. Constructors register
// flags and metrics, so only the chosen one may run.
var servers = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": func() *cobra.Command { return controllermanager.NewControllerManagerCommand() },
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
}

func main() {
	name := filepath.Base(os.Args[0])
	if !known(name) && len(os.Args) > 1 {
		os.Args = os.Args[1:]
		name = os.Args[0]
	}
	if !known(name) {
		fmt.Fprintf(os.Stderr, "usage: kubeall PROGRAM [ARGUMENT...]\nprograms: %s\n", strings.Join(programs(), " "))
		os.Exit(2)
	}
	if name == "kubectl" {
		// kubectl reports its own errors and picks its exit code by their kind.
		if err := cli.RunNoErrOutput(kubectl.NewDefaultKubectlCommand()); err != nil {
			kubectlutil.CheckErr(err)
		}
		return
	}
	os.Exit(cli.Run(servers[name]()))
}

func known(name string) bool {
	return name == "kubectl" || servers[name] != nil
}

func programs() []string {
	names := []string{"kubectl"}
	for name := range servers {
		names = append(names, name)
	}
	slices.Sort(names)
	return names
}
