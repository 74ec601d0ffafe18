package cluster

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// testRenderings gives the renderings that are checked in to the API server, in strict mode and without keeping them.
func testRenderings(t *testing.T, l *lab) {
	for _, d := range []struct{ module, pattern string }{
		{"github.com/kedacore/keda/v2@v2.21.0", "config/crd/bases/keda.sh_scaledobjects.yaml"},
		{"github.com/prometheus-operator/prometheus-operator@v0.85.0", "example/prometheus-operator-crd/*s.yaml"},
		{"sigs.k8s.io/gateway-api@v1.6.3", "config/crd/standard/gateway.networking.k8s.io_*routes.yaml"},
	} {
		out, err := exec.CommandContext(t.Context(), "go", "mod", "download", "-json", d.module).Output()
		var module struct{ Dir string }
		if err := errors.Join(err, json.Unmarshal(out, &module)); err != nil {
			t.Fatalf("%s: %v", d.module, err)
		}
		files, err := filepath.Glob(filepath.Join(module.Dir, d.pattern))
		if err != nil || len(files) == 0 {
			t.Fatalf("%s has no %s: %v", d.module, d.pattern, err)
		}
		for _, f := range files {
			if _, err := l.Kubectl(t.Context(), "apply", "--server-side", "-f", f); err != nil {
				t.Fatal(err)
			}
		}
	}
	// What the renderings name has to be there.
	l.apply(`{apiVersion: scheduling.k8s.io/v1, kind: PriorityClass, metadata: {name: serving}, value: 1}`)
	l.apply(`{apiVersion: node.k8s.io/v1, kind: RuntimeClass, metadata: {name: nvidia}, handler: nvidia}`)
	l.apply(`{apiVersion: v1, kind: ServiceAccount, metadata: {name: sampler}}`)
	l.until("the definitions", func() bool {
		return !strings.Contains(l.text("get", "scaledobjects,servicemonitors,grpcroutes,httproutes"), "server doesn't")
	})
	files, err := filepath.Glob("../helm/testdata/*.rendered.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no renderings: %v", err)
	}
	taken := 0
	for _, f := range files {
		out, err := l.Kubectl(t.Context(), "--namespace", namespace, "apply", "--dry-run=server", "--validate=strict",
			"-f", f)
		if err != nil {
			t.Error(err)
		}
		taken += strings.Count(out, "(server dry run)")
	}
	t.Logf("%d objects of %d renderings taken", taken, len(files))
}

// testInstall installs two replicas, which have no privileges, and compares their samples.
func testInstall(t *testing.T, l *lab) {
	installed := l.deploy("ring")
	spread := make(map[string]bool)
	for _, p := range l.pods("app.kubernetes.io/component=server") {
		spread[p.Spec.NodeName] = true
	}
	if len(spread) != 2 {
		t.Errorf("two replicas are on the nodes %v: want both", spread)
	}
	tested := l.helm("test", "ring", "--timeout", patience.String())
	t.Logf("helm install --wait %.1f s, helm test %.1f s", installed.Seconds(), tested.Seconds())
}

// testSecure installs a server with TLS and tokens from Secrets. Its probes come over HTTP then.
func testSecure(t *testing.T, l *lab) {
	certificate, key := certificateFor(t, "safe-langevin."+namespace+".svc")
	tokens := filepath.Join(l.folder, "tokens")
	token, err := l.run("token", "tester", "--file", tokens)
	if err != nil {
		t.Fatal(err)
	}
	for name, files := range map[string]map[string]string{
		"safe-tls":    {"tls.crt": certificate, "tls.key": key, "ca.crt": certificate},
		"safe-tokens": {"tokens": read(t, tokens)},
		"safe-tester": {"token": strings.TrimSpace(token)},
	} {
		secret, err := json.Marshal(map[string]any{
			"apiVersion": "v1", "kind": "Secret", "metadata": map[string]any{"name": name}, "stringData": files,
		})
		if err != nil {
			t.Fatal(err)
		}
		l.apply(string(secret))
	}
	l.deploy("safe", "server.replicas=1", "tls.secretName=safe-tls", "auth.tokens.secretName=safe-tokens",
		"test.ca.secretName=safe-tls", "test.tokenSecret.name=safe-tester")
	l.helm("test", "safe", "--timeout", patience.String())
	if _, err := l.run("sample", "ring", "--server", l.address("safe-langevin")); err == nil {
		t.Error("a call without TLS and token is answered")
	}
	l.helm("uninstall", "safe", "--wait")
}

// certificateFor returns a certificate that signs itself, and its key.
func certificateFor(t *testing.T, name string) (certificate, key string) {
	t.Helper()
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{
		SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name}, DNSNames: []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(24 * time.Hour), IsCA: true,
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, private.Public(), private)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
		string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret}))
}

// address returns the address of a service for clients outside pods, who have no names.
func (l *lab) address(service string) string {
	l.t.Helper()
	var s struct{ Spec struct{ ClusterIP string } }
	l.get(&s, "service", service)
	return s.Spec.ClusterIP + ":50051"
}

// report is a part of what langevin bench writes.
type report struct {
	Completed int
	Errors    map[string]int
	Differing int                        `json:"results_differing"`
	Latency   struct{ P50, P99 float64 } `json:"latency_seconds"`
}

// lastSetting is the setting of the last of the rolls.
const lastSetting = "config.limits.max_wait=52s"

// testUpgrade replaces all pods three times while calls come at random through the one address of the service. None may
// fail, and all samples of one seed must be the same.
func testUpgrade(t *testing.T, l *lab) {
	const seconds, rate = 75, 20
	load := make(chan error, 1)
	var out string
	go func() {
		var err error
		out, err = l.run("bench", "--server", l.address("ring-langevin"), "--model", "ring", "--json",
			"--rate", fmt.Sprint(rate), "--chains", "4", "--steps-per-level", "10", "--warmup", "0s",
			"--duration", fmt.Sprintf("%ds", seconds))
		load <- err
	}()
	began := time.Now()
	for n := range 3 {
		l.deploy("ring", []string{"config.log.level=debug", "config.limits.max_wait=50s", lastSetting}[n])
	}
	rolled := time.Since(began)
	if err := <-load; err != nil {
		t.Fatal(err)
	}
	var r report
	if err := json.Unmarshal([]byte(out), &r); err != nil {
		t.Fatal(err)
	}
	failed := 0
	for _, n := range r.Errors {
		failed += n
	}
	if failed > 0 || r.Differing > 0 || r.Completed < rate*seconds/2 || rolled > seconds*time.Second {
		t.Errorf("while the pods were replaced: %s", out)
	}
	t.Logf("three rolls in %.1f s of %d s of load: %d calls completed, %d failed, latency p50 %.0f ms, p99 %.0f ms",
		rolled.Seconds(), seconds, r.Completed, failed, 1e3*r.Latency.P50, 1e3*r.Latency.P99)
}

// testBalance scales to four replicas. A client in a pod that balances over their names spreads its calls evenly.
func testBalance(t *testing.T, l *lab) {
	scaled := l.deploy("ring", "server.replicas=4", lastSetting)
	all := l.pods("app.kubernetes.io/instance=ring,app.kubernetes.io/component=server")
	if len(all) != 4 {
		t.Fatalf("%d replicas run: want 4", len(all))
	}
	before := l.calls(all)
	l.apply(fmt.Sprintf(`{apiVersion: v1, kind: Pod, metadata: {name: load}, spec: {restartPolicy: Never,
		securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}, containers: [{name: load,
		image: "docker.io/library/langevin:%s", imagePullPolicy: Never, securityContext: {
		allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}},
		args: [bench, --model=ring, --clients=4, --requests=2000, --warmup=0s, --duration=5m, --chains=1,
		--steps-per-level=1, --json, "--server=dns:///ring-langevin-headless.%s.svc.cluster.local:50051"]}]}}`,
		*tag, namespace))
	l.until("the load", func() bool {
		return slices.Contains([]string{"Succeeded", "Failed"}, l.text("get", "pod", "load", "-o",
			"jsonpath={.status.phase}"))
	})
	counts := l.calls(all)
	for i := range counts {
		counts[i] -= before[i]
	}
	least, most, sum := slices.Min(counts), slices.Max(counts), 0
	for _, n := range counts {
		sum += n
	}
	t.Logf("scaled to 4 in %.1f s; calls of each replica: %v", scaled.Seconds(), counts)
	if sum < 2000 || float64(most-least) > 0.1*float64(sum)/float64(len(counts)) {
		t.Errorf("calls of each replica: %v, want 2000 in all and a spread of at most 10%%\n%s", counts,
			l.text("logs", "load"))
	}
}

// calls returns how many calls each pod has ended, by its metrics.
func (l *lab) calls(pods []pod) []int {
	l.t.Helper()
	var all []int
	for _, p := range pods {
		out, err := l.Beside(l.t.Context(), 1, "curl", "-sf", "http://"+p.Status.PodIP+":9091/metrics").Output()
		if err != nil {
			l.t.Fatalf("metrics of %s: %v", p.Metadata.Name, err)
		}
		n := 0
		for line := range strings.Lines(string(out)) {
			var value float64
			if name, text, ok := strings.Cut(line, "} "); ok && strings.HasPrefix(name, "langevin_requests_total{") &&
				strings.Contains(name, `SamplingService/Sample"`) {
				if _, err := fmt.Sscan(text, &value); err != nil {
					l.t.Fatalf("%s: %v", line, err)
				}
				n += int(value)
			}
		}
		all = append(all, n)
	}
	return all
}

// testJob draws 6,000 chains in six parts. On the way a pod is deleted, a process is killed and a node is lost. The
// parts joined are the bytes of one run.
func testJob(t *testing.T, l *lab) {
	out := filepath.Join(l.folder, "out")
	if err := errors.Join(os.Mkdir(out, 0o777), os.Chmod(out, 0o777)); err != nil {
		t.Fatal(err)
	}
	l.apply(fmt.Sprintf(`{apiVersion: v1, kind: PersistentVolume, metadata: {name: out}, spec: {storageClassName: out,
		capacity: {storage: 1Gi}, accessModes: [ReadWriteMany], hostPath: {path: %s, type: Directory}}}`, out))
	l.apply(`{apiVersion: v1, kind: PersistentVolumeClaim, metadata: {name: out}, spec: {storageClassName: out,
		accessModes: [ReadWriteMany], resources: {requests: {storage: 1Gi}}}}`)
	began := time.Now()
	l.deployJob()
	l.until("a part on each node", func() bool {
		nodes := make(map[string]bool)
		for _, p := range l.pods("app.kubernetes.io/component=job") {
			nodes[p.Spec.NodeName] = true
		}
		return len(nodes) == 2
	})
	l.deletePod(t)
	l.killProcess(t)
	l.loseNode(t)
	l.until("all parts", func() bool {
		parts, _ := filepath.Glob(filepath.Join(out, "part-*.npy")) // the pattern is valid
		return len(parts) == 6
	})
	drawn := time.Since(began)
	if _, err := l.Kubectl(t.Context(), "delete", "node", "node2"); err != nil { // as its cloud would
		t.Fatal(err)
	}
	l.until("the job", func() bool {
		conditions := l.text("get", "jobs", "-o", "jsonpath={.items[*].status.conditions[*].type}")
		return strings.Contains(conditions, "Complete")
	})
	t.Logf("all parts after %.1f s, the job complete after %.1f s", drawn.Seconds(), time.Since(began).Seconds())
	same(t, l, out)
}

// deployJob installs the job alone, and does not wait for it. A part wants one of the two processors of a node.
func (l *lab) deployJob() {
	l.t.Helper()
	args := []string{"install", "draw", chart}
	for _, s := range []string{
		"image.repository=docker.io/library/langevin", "image.tag=" + *tag, "image.pullPolicy=Never",
		"server.enabled=false", "job.enabled=true", "job.chains=6000", "job.seed=7", "job.shards=6",
		"job.parallelism=2", "job.output.claim=out", "job.lostNodeSeconds=5",
	} {
		args = append(args, "--set", s)
	}
	l.helm(args...)
}

// deletePod deletes a pod of the job.
func (l *lab) deletePod(t *testing.T) {
	t.Helper()
	victim := l.pods("app.kubernetes.io/component=job")[0]
	t.Logf("delete %s on %s", victim.Metadata.Name, victim.Spec.NodeName)
	if out := l.text("delete", "pod", victim.Metadata.Name, "--wait=false"); !strings.Contains(out, "deleted") {
		t.Fatal(out)
	}
}

// killProcess kills the process of a part on node 1.
func (l *lab) killProcess(t *testing.T) {
	t.Helper()
	const find = `for p in /proc/[0-9]*; do
		if tr '\0' ' ' <$p/cmdline 2>/dev/null | grep -q '^/usr/local/bin/langevin sample .*--shard'; then
			kill -9 ${p#/proc/} && echo killed ${p#/proc/} && exit 0
		fi
	done; exit 1`
	took := l.until("a process of the job", func() bool {
		return l.In(t.Context(), 1, "sh", "-c", find).Run() == nil
	})
	t.Logf("a process on node 1 killed after %.1f s", took.Seconds())
}

// loseNode ends node 2 while it draws a part.
func (l *lab) loseNode(t *testing.T) {
	t.Helper()
	l.until("a part on node 2", func() bool {
		return slices.ContainsFunc(l.pods("app.kubernetes.io/component=job"), func(p pod) bool {
			return p.Spec.NodeName == "node2"
		})
	})
	l.Kill(2)
	t.Log("node 2 is lost")
}

// same compares the parts in a folder, joined, with one run of all chains.
func same(t *testing.T, l *lab, folder string) {
	t.Helper()
	joined, whole := filepath.Join(l.folder, "all.npy"), filepath.Join(l.folder, "whole.npy")
	parts, err := filepath.Glob(filepath.Join(folder, "part-*.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := l.run(append([]string{"join", "-n", "6000", "--out", joined}, parts...)...); err != nil {
		t.Fatal(err)
	}
	if _, err := l.run("sample", "ring", "-n", "6000", "--seed", "7", "--local", "--out", whole); err != nil {
		t.Fatal(err)
	}
	a, b := read(t, joined), read(t, whole)
	if len(b) < 6000*8 || !bytes.Equal([]byte(a), []byte(b)) {
		t.Errorf("%d bytes of the parts differ from the %d of one run", len(a), len(b))
	}
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
