package cluster

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

var (
	programs = flag.String("programs", "", "folder with what build.sh has built; without it there is no cluster")
	image    = flag.String("image", "", "archive of the image langevin:TAG")
	tag      = flag.String("tag", "", "the tag")
	program  = flag.String("langevin", "", "the program langevin, the same as in the image")
)

const (
	chart     = "../helm/langevin"
	namespace = "lab" // enforces the standard restricted
	patience  = 10 * time.Minute
)

// lab is a cluster of two nodes with a namespace.
type lab struct {
	*Cluster
	t      *testing.T
	folder string
}

// open starts the cluster, or skips the test.
func open(t *testing.T) *lab {
	t.Helper()
	if *programs == "" {
		t.Skip("run by make test-k8s, which builds Kubernetes")
	}
	if os.Getuid() != 0 {
		t.Skip("only root may make namespaces for nodes")
	}
	for _, name := range []string{"containerd", "runc", "iptables", "conntrack", "nsenter", "ip", "curl"} {
		if _, err := exec.LookPath(name); err != nil {
			t.Fatalf("%s is missing. On Debian: apt install --no-install-recommends containerd runc "+
				"containernetworking-plugins iptables conntrack util-linux iproute2 curl", name)
		}
	}
	folder := t.TempDir()
	pause := filepath.Join(folder, "pause.tar")
	if err := WriteImage(pause, "localhost/pause:test", filepath.Join(*programs, "pause")); err != nil {
		t.Fatal(err)
	}
	c, err := New(Config{
		Folder: folder, Kubernetes: filepath.Join(*programs, "kubernetes"), DNS: filepath.Join(*programs, "dns"),
		Archives: []string{pause, *image},
	})
	if err != nil {
		t.Fatal(err)
	}
	l := &lab{c, t, folder}
	t.Cleanup(l.close)
	began := time.Now()
	for n := 1; n <= 2; n++ {
		if err := c.Start(t.Context(), n); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("two nodes and their images are ready after %.1f s", time.Since(began).Seconds())
	l.apply(fmt.Sprintf(`{apiVersion: v1, kind: Namespace, metadata: {name: %s, labels: {
		pod-security.kubernetes.io/enforce: restricted}}}`, namespace))
	return l
}

// close ends the cluster. After a failure it keeps the logs of the programs.
func (l *lab) close() {
	if l.t.Failed() {
		l.t.Logf("%s", l.text("get", "pods,jobs,events", "--all-namespaces", "-o", "wide"))
		if kept, err := os.MkdirTemp("", "langevin-k8s-"); err == nil {
			logs, _ := filepath.Glob(filepath.Join(l.folder, "node*", "log")) // the pattern is valid
			for _, log := range logs {
				_ = os.CopyFS(filepath.Join(kept, filepath.Base(filepath.Dir(log))), os.DirFS(log))
			}
			l.t.Logf("the logs of Kubernetes are in %s", kept)
		}
	}
	l.Cluster.Close()
}

// text runs kubectl in the namespace and returns what it writes, or its error.
func (l *lab) text(args ...string) string {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	out, err := l.Kubectl(ctx, append([]string{"--namespace", namespace}, args...)...)
	if err != nil {
		return err.Error()
	}
	return out
}

// get reads an object or a list of the namespace.
func (l *lab) get(into any, args ...string) {
	l.t.Helper()
	text := l.text(append(append([]string{"get"}, args...), "-o", "json")...)
	if err := json.Unmarshal([]byte(text), into); err != nil {
		l.t.Fatalf("get %v: %s", args, text)
	}
}

// apply creates objects.
func (l *lab) apply(objects string, args ...string) {
	l.t.Helper()
	args = append([]string{"--namespace", namespace, "apply", "-f", "-"}, args...)
	if _, err := l.KubectlWith(l.t.Context(), objects, args...); err != nil {
		l.t.Fatal(err)
	}
}

// helm runs Helm and returns how long it took.
func (l *lab) helm(args ...string) time.Duration {
	l.t.Helper()
	args = append([]string{filepath.Join(*programs, "helm"), "--kubeconfig", l.Access(), "--namespace", namespace},
		args...)
	command := l.Beside(l.t.Context(), 1, args...)
	command.Env = append(os.Environ(), "HELM_CACHE_HOME="+l.folder, "HELM_CONFIG_HOME="+l.folder,
		"HELM_DATA_HOME="+l.folder)
	began := time.Now()
	if out, err := command.CombinedOutput(); err != nil {
		l.t.Fatalf("%s: %v\n%s\n%s", strings.Join(args, " "), err, out, l.text("get", "pods,events"))
	}
	return time.Since(began)
}

// deploy installs or upgrades a release of the chart, and waits for it.
func (l *lab) deploy(release string, sets ...string) time.Duration {
	l.t.Helper()
	args := []string{"upgrade", "--install", release, chart, "--wait", "--timeout", patience.String()}
	for _, s := range append([]string{
		"image.repository=docker.io/library/langevin", "image.tag=" + *tag, "image.pullPolicy=Never",
		"server.resources.requests.cpu=100m",
	}, sets...) {
		args = append(args, "--set", s)
	}
	return l.helm(args...)
}

// run runs the program langevin in the network of node 1, and returns its standard output.
func (l *lab) run(args ...string) (string, error) {
	out, err := l.Beside(l.t.Context(), 1, append([]string{*program}, args...)...).Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("langevin %s: %w: %s", strings.Join(args, " "), err, failed.Stderr)
	}
	return string(out), err
}

// until waits for something.
func (l *lab) until(what string, done func() bool) time.Duration {
	l.t.Helper()
	for began := time.Now(); ; time.Sleep(200 * time.Millisecond) {
		if done() {
			return time.Since(began)
		}
		if time.Since(began) > patience {
			l.t.Fatalf("waited %v for %s\n%s", patience, what, l.text("get", "pods,jobs,events", "-o", "wide"))
		}
	}
}

// pod is what the tests ask about a pod.
type pod struct {
	Metadata struct{ Name, DeletionTimestamp string }
	Spec     struct{ NodeName string }
	Status   struct{ Phase, PodIP string }
}

// pods returns the pods with a label that run, and are not to stop.
func (l *lab) pods(selector string) []pod {
	l.t.Helper()
	var list struct{ Items []pod }
	l.get(&list, "pods", "--selector", selector, "--field-selector", "status.phase=Running")
	return slices.DeleteFunc(list.Items, func(p pod) bool { return p.Metadata.DeletionTimestamp != "" })
}

// TestKubernetes runs the chart on a cluster. Its parts follow each other.
func TestKubernetes(t *testing.T) {
	l := open(t)
	for _, part := range []struct {
		name string
		run  func(*testing.T, *lab)
	}{
		{"the API server takes every rendering", testRenderings},
		{"install", testInstall},
		{"TLS and tokens", testSecure},
		{"upgrade under load", testUpgrade},
		{"balance over dns:///", testBalance},
		{"a job survives", testJob},
	} {
		l.t = t
		if !t.Run(part.name, func(t *testing.T) {
			l.t = t
			part.run(t, l)
		}) {
			break
		}
	}
	l.t = t
}
