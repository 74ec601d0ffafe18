// Package cluster runs a real Kubernetes on one machine for tests: nodes with kubelets and containers, each in
// namespaces of its own. It needs root, containerd, runc, the CNI plugins, iptables, conntrack, nsenter and curl.
package cluster

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	_ "embed"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

//go:embed node.sh
var nodeScript []byte

// Config says what a cluster is made of. All paths are absolute.
type Config struct {
	Folder     string // an empty one, for state and logs
	Kubernetes string // the program of the folder kubernetes
	DNS        string // the program of the folder dns
	Archives   []string
}

// Cluster is a cluster. Its methods may be called by one goroutine at a time, but for commands.
type Cluster struct {
	config Config
	nodes  map[int]*node
}

// node is the first process of a node's namespaces: when it ends, everything in them does.
type node struct {
	pid   int
	end   chan struct{} // closed to end it
	ended chan struct{}
}

// New returns a cluster without nodes.
func New(c Config) (*Cluster, error) {
	pki := filepath.Join(c.Folder, "pki")
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	accounts := pem.EncodeToMemory(&pem.Block{Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(key)})
	tokens := "admin,admin,1,system:masters\ncontrollers,system:kube-controller-manager,2\n" +
		"scheduler,system:kube-scheduler,3\nproxy,system:kube-proxy,4\n"
	for n := 1; n <= 3; n++ {
		tokens += fmt.Sprintf("kubelet-%d,system:node:node%d,5%d,system:nodes\n", n, n, n)
	}
	return &Cluster{config: c, nodes: make(map[int]*node)}, errors.Join(
		os.MkdirAll(pki, 0o755),
		os.WriteFile(filepath.Join(pki, "accounts.key"), accounts, 0o600),
		os.WriteFile(filepath.Join(pki, "tokens.csv"), []byte(tokens), 0o600),
		os.WriteFile(filepath.Join(c.Folder, "node.sh"), nodeScript, 0o755))
}

// Start starts node n, and returns when it is ready and has the images. Node 1 must be first.
func (c *Cluster) Start(ctx context.Context, n int) error {
	started := make(chan error)
	one := &node{end: make(chan struct{}), ended: make(chan struct{})}
	go c.run(one, n, started)
	if err := <-started; err != nil {
		return fmt.Errorf("start node %d: %w", n, err)
	}
	c.nodes[n] = one
	if n != 1 {
		if err := c.plug(ctx, n); err != nil {
			return err
		}
	}
	if err := c.ready(ctx, n); err != nil {
		return err
	}
	for _, archive := range c.config.Archives {
		if out, err := c.In(ctx, n, "ctr", "-n", "k8s.io", "images", "import", archive).CombinedOutput(); err != nil {
			return fmt.Errorf("import %s on node %d: %w: %s", archive, n, err, out)
		}
	}
	return nil
}

// run starts the first process of a node and ends it. The kernel ends it too if this process dies: it watches the
// thread that started it, which therefore must live as long.
func (c *Cluster) run(one *node, n int, started chan<- error) {
	runtime.LockOSThread()
	defer close(one.ended)
	name := fmt.Sprintf("node%d", n)
	log, err := os.Create(filepath.Join(c.config.Folder, name+".log"))
	if err != nil {
		started <- err
		return
	}
	defer log.Close()
	command := exec.Command(filepath.Join(c.config.Folder, "node.sh"), strconv.Itoa(n), c.config.Folder,
		c.config.Kubernetes, c.config.DNS)
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{
		Cloneflags: syscall.CLONE_NEWNS | syscall.CLONE_NEWNET | syscall.CLONE_NEWPID | syscall.CLONE_NEWUTS |
			syscall.CLONE_NEWIPC,
		Pdeathsig: syscall.SIGKILL, Setsid: true,
	}
	if err := command.Start(); err != nil {
		started <- err
		return
	}
	one.pid = command.Process.Pid
	close(started)
	<-one.end
	_ = command.Process.Kill() // it may have ended
	_ = command.Wait()
}

// plug connects node n to the network of the first.
func (c *Cluster) plug(ctx context.Context, n int) error {
	wire := fmt.Sprintf("wire%d", n)
	for _, args := range [][]string{
		{"link", "add", wire, "type", "veth", "peer", "name", "eth0", "netns", strconv.Itoa(c.nodes[n].pid)},
		{"link", "set", wire, "master", "lan"}, {"link", "set", wire, "up"},
	} {
		command := exec.CommandContext(ctx, "nsenter",
			append([]string{"-t", strconv.Itoa(c.nodes[1].pid), "-n", "--", "ip"}, args...)...)
		var out []byte
		err := errors.New("node 1 has no network")
		for range 50 { // the bridge may not be there yet
			if out, err = command.CombinedOutput(); err == nil {
				break
			}
			time.Sleep(100 * time.Millisecond)
			command = exec.CommandContext(ctx, command.Path, command.Args[1:]...)
		}
		if err != nil {
			return fmt.Errorf("connect node %d: %w: %s", n, err, out)
		}
	}
	return nil
}

// ready waits until Kubernetes calls a node ready.
func (c *Cluster) ready(ctx context.Context, n int) error {
	const condition = `jsonpath={.status.conditions[?(@.type=="Ready")].status}`
	for range 1200 {
		if status, err := c.Kubectl(ctx, "get", "node", fmt.Sprintf("node%d", n), "-o", condition); err == nil &&
			status == "True" {
			return nil
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-c.nodes[n].ended:
			return fmt.Errorf("node %d has ended", n)
		case <-time.After(200 * time.Millisecond):
		}
	}
	return fmt.Errorf("node %d is not ready after 4 minutes", n)
}

// Kill ends a node at once, as a loss of power would.
func (c *Cluster) Kill(n int) {
	one := c.nodes[n]
	delete(c.nodes, n)
	close(one.end)
	<-one.ended
	c.removeGroups(n)
}

// Close ends all nodes.
func (c *Cluster) Close() {
	for _, n := range []int{3, 2, 1} {
		if c.nodes[n] != nil {
			c.Kill(n)
		}
	}
}

// removeGroups removes the cgroups of a node that has ended. Its last processes may still be leaving.
func (c *Cluster) removeGroups(n int) {
	name := fmt.Sprintf("langevin-node%d", n)
	roots, _ := filepath.Glob("/sys/fs/cgroup/*/" + name) // the pattern is valid
	for range 20 {
		left := false
		for _, root := range append(roots, "/sys/fs/cgroup/"+name) {
			left = removeTree(root) || left
		}
		if !left {
			return
		}
		time.Sleep(100 * time.Millisecond)
	}
}

// removeTree removes the cgroups below a folder, innermost first, and reports whether any is left.
func removeTree(root string) bool {
	var folders []string
	_ = filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err == nil && entry.IsDir() {
			folders = append(folders, path)
		}
		return nil // it may be gone already
	})
	left := false
	for i := len(folders) - 1; i >= 0; i-- {
		left = os.Remove(folders[i]) != nil || left
	}
	return left
}

// In returns a command that runs in all namespaces of a node.
func (c *Cluster) In(ctx context.Context, n int, args ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(c.nodes[n].pid), "-m", "-n", "-p", "-u", "-i", "--"}
	return exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
}

// Beside returns a command that runs on this machine in the network of a node, so that it reaches pods and services.
func (c *Cluster) Beside(ctx context.Context, n int, args ...string) *exec.Cmd {
	enter := []string{"-t", strconv.Itoa(c.nodes[n].pid), "-n", "--"}
	return exec.CommandContext(ctx, "nsenter", append(enter, args...)...)
}

// Access is the path of a file with which kubectl and Helm reach the cluster from the network of a node.
func (c *Cluster) Access() string { return filepath.Join(c.config.Folder, "node1", "admin.conf") }

// Kubectl runs kubectl and returns what it writes.
func (c *Cluster) Kubectl(ctx context.Context, args ...string) (string, error) {
	return c.KubectlWith(ctx, "", args...)
}

// KubectlWith runs kubectl with the given text as its input.
func (c *Cluster) KubectlWith(ctx context.Context, input string, args ...string) (string, error) {
	kubectl := []string{c.config.Kubernetes, "kubectl", "--kubeconfig", c.Access()}
	command := c.Beside(ctx, 1, append(kubectl, args...)...)
	command.Stdin = strings.NewReader(input)
	out, err := command.Output()
	var failed *exec.ExitError
	if errors.As(err, &failed) {
		err = fmt.Errorf("kubectl %s: %w: %s", strings.Join(args, " "), err, failed.Stderr)
	}
	return string(out), err
}
