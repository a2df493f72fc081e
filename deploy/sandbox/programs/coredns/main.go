// Command coredns is CoreDNS with the plugins a small cluster needs and no others.
//
// Upstream links some fifty plugins, among them the SDKs of several clouds; leaving those out makes
// the compile several times shorter and the binary small.
package main

import (
	"fmt"
	"os"

	"github.com/coredns/coredns/core/dnsserver"
	"github.com/coredns/coredns/coremain"

	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/cache"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/forward"
	_ "github.com/coredns/coredns/plugin/health"
	_ "github.com/coredns/coredns/plugin/hosts"
	_ "github.com/coredns/coredns/plugin/kubernetes"
	_ "github.com/coredns/coredns/plugin/log"
	_ "github.com/coredns/coredns/plugin/loop"
	_ "github.com/coredns/coredns/plugin/ready"
	_ "github.com/coredns/coredns/plugin/reload"
	_ "github.com/coredns/coredns/plugin/template"
)

// order is the order in which a query passes through the plugins, whatever the Corefile says. It
// follows upstream's list.
var order = []string{
	"reload", "bind", "ready", "health", "errors", "log",
	"cache", "template", "hosts", "kubernetes", "loop", "forward",
}

func main() {
	if err := dnsserver.SetDirectives(order); err != nil {
		fmt.Fprintln(os.Stderr, "coredns:", err)
		os.Exit(1)
	}
	coremain.Run()
}
