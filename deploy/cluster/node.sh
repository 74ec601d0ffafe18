#!/bin/bash
# Runs one node of the test cluster, in namespaces of its own for mounts, processes, networks, names and IPC. The
# first node has the control plane too. Nothing outside is touched but the node's own cgroups.
#
#   node.sh NUMBER FOLDER KUBERNETES DNS
#
# FOLDER has the folder pki, with the keys of the cluster, and gets the state and the logs of the node.
set -eu

number=$1 root=$2 kubernetes=$3 dns=$4
name=node$number
here=$root/$name
address=172.30.0.$number
master=172.30.0.1
mkdir -p "$here"/{log,state/kubelet,state/containerd,etcd}
cd "$here"
hostname "$name"

# What programs write elsewhere stays in here.
mount --make-rprivate /
mount -t proc proc /proc
for folder in /run /var/log /etc/cni /var/lib/cni /var/lib/kubelet /var/lib/containerd; do
	mkdir -p $folder
done
for folder in /run /var/log /etc/cni /var/lib/cni; do
	mount -t tmpfs none $folder
done
for program in kubelet containerd; do
	mount --bind state/$program /var/lib/$program
done
mkdir -p /run/netns /run/lock /run/seen /etc/cni/net.d

# The settings of the machine stay as they are. kubelet insists on some, and sees them as it wants them.
mount --bind /proc/sys /proc/sys
mount -o remount,bind,ro /proc/sys
mount --bind /proc/sys/net /proc/sys/net
mount -o remount,bind,rw /proc/sys/net || true
seen() {
	echo "$2" >/run/seen/"${1##*/}"
	mount --bind /run/seen/"${1##*/}" /proc/sys/"$1"
}
seen vm/overcommit_memory 1
seen vm/panic_on_oom 0
seen kernel/panic 10
seen kernel/panic_on_oops 1
seen kernel/keys/root_maxkeys 1000000
seen kernel/keys/root_maxbytes 25000000

# The node's cgroups, in version 1 of them or in version 2.
if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
	mkdir -p /sys/fs/cgroup/langevin-$name
else
	for hierarchy in /sys/fs/cgroup/*/; do
		mkdir -p "$hierarchy/langevin-$name" 2>/dev/null || true
	done
	for file in cpuset.cpus cpuset.mems; do
		cat /sys/fs/cgroup/cpuset/$file >/sys/fs/cgroup/cpuset/langevin-$name/$file
	done
fi

# One network for the nodes, which is a bridge of the first, and one for the pods of each node.
ip link set lo up
if [ "$number" = 1 ]; then
	device=lan
	ip link add lan type bridge
	ip link add ends type veth peer name meets # a bridge without a member is down
	ip link set ends master lan
	ip link set ends up
	ip link set meets up
else
	device=eth0
	for _ in $(seq 300); do
		ip link show eth0 >/dev/null 2>&1 && break
		sleep 0.1
	done
fi
ip addr add $address/24 dev $device
ip link set $device up
ip route add default dev $device
echo 1 >/proc/sys/net/ipv4/ip_forward
for other in 1 2 3; do
	[ $other = "$number" ] || ip route add 10.88.$other.0/24 via 172.30.0.$other
done
cat >/etc/cni/net.d/10-pods.conflist <<CNI
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "cni0", "isGateway": true, "hairpinMode": true, "ipam": {"type": "host-local",
    "ranges": [[{"subnet": "10.88.$number.0/24"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
CNI

# access NAME TOKEN writes how a program reaches the control plane.
access() {
	cat >"$1.conf" <<CONF
apiVersion: v1
kind: Config
clusters: [{name: test, cluster: {server: "https://$master:6443", insecure-skip-tls-verify: true}}]
users: [{name: user, user: {token: $2}}]
contexts: [{name: test, context: {cluster: test, user: user}}]
current-context: test
CONF
}
access admin admin
access kubelet "kubelet-$number"
access proxy proxy

cat >kubelet.yaml <<CONF
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix:///run/containerd/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: /langevin-$name
failCgroupV1: false
failSwapOn: false
oomScoreAdj: 0
featureGates: {KubeletInUserNamespace: true}
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
clusterDomain: cluster.local
clusterDNS: [$master]
evictionHard: {memory.available: 100Mi, nodefs.available: 1%, imagefs.available: 1%}
imageGCHighThresholdPercent: 100
makeIPTablesUtilChains: false
CONF
cat >proxy.yaml <<CONF
apiVersion: kubeproxy.config.k8s.io/v1alpha1
kind: KubeProxyConfiguration
clientConnection: {kubeconfig: proxy.conf}
mode: iptables
clusterCIDR: 10.88.0.0/16
hostnameOverride: $name
conntrack: {maxPerCore: 0, min: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
metricsBindAddress: 127.0.0.1:10249
healthzBindAddress: 127.0.0.1:10256
CONF
cat >containerd.toml <<CONF
version = 2
root = "$here/state/containerd"
state = "/run/containerd"
oom_score = 0
[grpc]
  address = "/run/containerd/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "localhost/pause:test"
  restrict_oom_score_adj = true
  disable_apparmor = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "/etc/cni/net.d"
  [plugins."io.containerd.grpc.v1.cri".containerd]
    snapshotter = "overlayfs"
    default_runtime_name = "runc"
    [plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
      runtime_type = "io.containerd.runc.v2"
CONF

# start PROGRAM ARGUMENT... runs a program of Kubernetes.
start() {
	local program=$1
	"$kubernetes" "$@" >"log/$program.log" 2>&1 &
}
export GOMAXPROCS=2
containerd --config containerd.toml >log/containerd.log 2>&1 &
if [ "$number" = 1 ]; then
	access controllers controllers
	access scheduler scheduler
	start etcd --data-dir etcd --listen-client-urls http://127.0.0.1:2379 \
		--advertise-client-urls http://127.0.0.1:2379 --listen-peer-urls http://127.0.0.1:2380 \
		--unsafe-no-fsync --log-level warn
	start kube-apiserver --etcd-servers http://127.0.0.1:2379 --cert-dir "$root/pki" --secure-port 6443 \
		--advertise-address $master --service-cluster-ip-range 10.96.0.0/16 --allow-privileged \
		--service-account-issuer https://kubernetes.default.svc --service-account-key-file "$root/pki/accounts.key" \
		--service-account-signing-key-file "$root/pki/accounts.key" --token-auth-file "$root/pki/tokens.csv" \
		--authorization-mode Node,RBAC --enable-admission-plugins NodeRestriction \
		--kubelet-preferred-address-types InternalIP
fi
for _ in $(seq 1200); do
	[ "$(curl -sk https://$master:6443/readyz || true)" = ok ] && break
	sleep 0.1
done
if [ "$number" = 1 ]; then
	start kube-controller-manager --kubeconfig controllers.conf --root-ca-file "$root/pki/apiserver.crt" \
		--service-account-private-key-file "$root/pki/accounts.key" --use-service-account-credentials \
		--leader-elect=false --cert-dir state/controllers --authentication-kubeconfig controllers.conf \
		--authorization-kubeconfig controllers.conf --bind-address 127.0.0.1 --node-monitor-grace-period 16s
	start kube-scheduler --kubeconfig scheduler.conf --leader-elect=false --cert-dir state/scheduler \
		--authentication-kubeconfig scheduler.conf --authorization-kubeconfig scheduler.conf --bind-address 127.0.0.1
	cat >Corefile <<CONF
.:53 {
  bind $master
  errors
  kubernetes cluster.local {
    kubeconfig $here/admin.conf
    ttl 5
  }
}
CONF
	"$dns" -conf Corefile >log/dns.log 2>&1 &
fi
start kubelet --kubeconfig kubelet.conf --config kubelet.yaml --node-ip $address --hostname-override $name \
	--cert-dir state/kubelet-pki
start kube-proxy --config proxy.yaml
wait
