# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the local cluster is called on this machine, and what its programs are told."""

from __future__ import annotations

import hashlib
import ipaddress
import json
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

PAUSE_IMAGE = "localhost/pause:1"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
NODE = "node1"
COMPONENTS = ("containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
"""The daemons, in the order in which they start; beside them `mounts` holds the mount namespace."""
MOUNTING = ("containerd", "kubelet")
"""The daemons that run where the cluster's mounts are."""


@dataclass(frozen=True)
class Names:
    """What a cluster is called outside of its folder, so that clusters side by side never meet.

    Attributes:
        key: eight hexadecimal digits of the folder's path.
    """

    key: str

    @classmethod
    def of(cls, root: Path) -> Names:
        """The names of the cluster in this folder."""
        return cls(hashlib.sha256(os.fsencode(root)).hexdigest()[:8])

    @property
    def bridge(self) -> str:
        """The network interface that the pods' network hangs on; the kernel takes up to 15 characters."""
        return f"jp{self.key}"

    @property
    def cgroup(self) -> str:
        """Its cgroup below each hierarchy's root: nothing outside is ever killed."""
        return f"jobpods-{self.key}"

    @property
    def run(self) -> Path:
        """The folder of the sockets, whose paths must stay under 108 bytes."""
        return Path("/run") / f"jobpods-{self.key}"

    @property
    def root_within(self) -> Path:
        """The cluster's folder, as containerd and the kubelet see it."""
        return self.run / "root"

    def chain(self, parent: str) -> str:
        """The iptables chain with this cluster's rules for a built-in chain."""
        return f"JP{self.key}-{parent}"


@dataclass(frozen=True)
class Settings:
    """What was chosen when the cluster started.

    Attributes:
        subnet: the pods' network, such as 10.130.0.0/16; its first address is the node's.
        api_port: the API server's port, on all of the machine's addresses, but closed to other machines.
        kubelet_port: the kubelet's, on the node's address.
        stamp: of the programs and of this file; a cluster with another one is started anew.
    """

    subnet: str
    api_port: int
    kubelet_port: int
    stamp: str

    @property
    def node_address(self) -> str:
        """The bridge's address: the kubelet refuses a loopback one."""
        return str(next(ipaddress.ip_network(self.subnet).hosts()))


def containerd_configuration(names: Names) -> str:
    """What containerd is told, see its "CRI plugin config guide"."""
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = {json.dumps(str(names.run / "containerd.sock"))}
[plugins."io.containerd.internal.v1.opt"]
path = "/var/lib/containerd/opt"
[plugins."io.containerd.grpc.v1.cri"]
sandbox_image = "{PAUSE_IMAGE}"
restrict_oom_score_adj = true
netns_mounts_under_state_dir = true
[plugins."io.containerd.grpc.v1.cri".cni]
bin_dir = "/usr/lib/cni"
conf_dir = {json.dumps(str(names.root_within / "cni"))}
[plugins."io.containerd.grpc.v1.cri".containerd.runtimes.runc]
runtime_type = "io.containerd.runc.v2"
"""


def pod_network(names: Names, settings: Settings) -> dict[str, Any]:
    """The pods' network, see the CNI specification and its plugins bridge and host-local."""
    addresses = {
        "type": "host-local",
        "dataDir": str(names.root_within / "cni-ipam"),
        "ranges": [[{"subnet": settings.subnet}]],
        "routes": [{"dst": "0.0.0.0/0"}],
    }
    bridge = {"type": "bridge", "bridge": names.bridge, "isGateway": True, "ipam": addresses}
    return {"cniVersion": "1.0.0", "name": "pods", "plugins": [bridge]}


def kubelet_configuration(names: Names, settings: Settings) -> dict[str, Any]:
    """The kubelet's configuration, see KubeletConfiguration (v1beta1) in the Kubernetes documentation."""
    pki = names.root_within / "pki"
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "address": settings.node_address,
        "port": settings.kubelet_port,
        "healthzPort": 0,
        "authentication": {
            "x509": {"clientCAFile": str(pki / "ca.crt")},
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
        },
        "authorization": {"mode": "Webhook"},
        "tlsCertFile": str(pki / "kubelet.crt"),
        "tlsPrivateKeyFile": str(pki / "kubelet.key"),
        "containerRuntimeEndpoint": f"unix://{names.run}/containerd.sock",
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{names.cgroup}",
        "enforceNodeAllocatable": [],
        "failSwapOn": False,
        "makeIPTablesUtilChains": False,  # its chains are every kubelet's on the machine
        "volumePluginDir": "/var/lib/kubelet/volume-plugins",
        "resolvConf": str(names.root_within / "resolv.conf"),
        "maxPods": 250,
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,  # a loaded image could not be pulled again
        "featureGates": {"KubeletInUserNamespace": True},  # where root may not set every limit
    }


CHAINS = (("filter", "INPUT"), ("filter", "FORWARD"), ("nat", "PREROUTING"), ("nat", "POSTROUTING"))


def firewall(names: Names, settings: Settings) -> list[tuple[str, str, list[list[str]]]]:
    """The iptables rules, as table, built-in chain and rules of our own chain in it.

    Pods reach the API at its service's address by one DNAT rule, and the world through the machine's own
    address. Nobody beyond the machine reaches the API server or the kubelet.
    """
    bridge, subnet = names.bridge, settings.subnet
    closed: list[list[str]] = []
    for port in (settings.api_port, settings.kubelet_port):
        to_port = ["-p", "tcp", "--dport", str(port)]
        closed += [
            [*to_port, "-i", "lo", "-j", "ACCEPT"],
            [*to_port, "-i", bridge, "-j", "ACCEPT"],
            [*to_port, "-j", "DROP"],
        ]
    answers = ["-m", "conntrack", "--ctstate", "RELATED,ESTABLISHED"]
    service = ["-i", bridge, "-d", API_SERVICE, "-p", "tcp", "--dport", "443"]
    rules = (
        closed,
        [["-i", bridge, "-j", "ACCEPT"], ["-o", bridge, *answers, "-j", "ACCEPT"]],
        [[*service, "-j", "DNAT", "--to-destination", f"{settings.node_address}:{settings.api_port}"]],
        [["-s", subnet, "!", "-d", subnet, "-j", "MASQUERADE"]],
    )
    return [(table, parent, chain) for (table, parent), chain in zip(CHAINS, rules, strict=True)]


def daemon(name: str, root: Path, names: Names, settings: Settings) -> list[str]:
    """A daemon's command line.

    See the reference of each program's flags in the Kubernetes documentation, "Component tools".

    Args:
        name: one of `COMPONENTS`.
        root: the cluster's folder.
        names: of that cluster.
        settings: what was chosen for it.

    Returns:
        The program and its arguments; those in `MOUNTING` run where the cluster's mounts are.
    """
    within = names.root_within
    if name == "containerd":
        return ["containerd", "--config", f"{within}/containerd.toml"]
    if name == "kubelet":
        files = ["--config", f"{within}/kubelet.yaml", "--kubeconfig", f"{within}/pki/kubelet.kubeconfig"]
        node = ["--hostname-override", NODE, "--node-ip", settings.node_address]
        return [f"{within}/bin/kubenode", "kubelet", *files, *node]
    if name == "etcd":
        flags = etcd_flags(root, names)
    elif name == "kube-apiserver":
        flags = api_server_flags(root / "pki", names, settings)
    else:
        flags = controller_flags(name, root / "pki")
    return [str(root / "bin" / "kubenode"), name, *(f"--{flag}={value}" for flag, value in flags.items())]


def etcd_flags(root: Path, names: Names) -> dict[str, str]:
    """What etcd is told: it listens on sockets only."""
    client, peer = (f"unix://{names.run}/etcd-{side}.sock" for side in ("client", "peer"))
    return {
        "data-dir": str(root / "etcd"),
        "listen-client-urls": client,
        "listen-peer-urls": peer,
        # What it would tell other members must have ports; there is no other, and nobody listens there.
        "advertise-client-urls": "http://127.0.0.1:2379",
        "initial-advertise-peer-urls": "http://127.0.0.1:2380",
        "initial-cluster": "default=http://127.0.0.1:2380",
        "unsafe-no-fsync": "true",  # its data never outlives a start
        "log-level": "warn",
    }


def api_server_flags(pki: Path, names: Names, settings: Settings) -> dict[str, str]:
    """What the API server is told."""
    return {
        "etcd-servers": f"unix://{names.run}/etcd-client.sock",
        "bind-address": "0.0.0.0",  # noqa: S104  # for pods too; the firewall keeps the rest away
        "advertise-address": settings.node_address,
        "secure-port": str(settings.api_port),
        "tls-cert-file": str(pki / "apiserver.crt"),
        "tls-private-key-file": str(pki / "apiserver.key"),
        "client-ca-file": str(pki / "ca.crt"),
        "kubelet-client-certificate": str(pki / "admin.crt"),
        "kubelet-client-key": str(pki / "admin.key"),
        "kubelet-certificate-authority": str(pki / "ca.crt"),
        "kubelet-preferred-address-types": "InternalIP",
        "service-account-key-file": str(pki / "accounts.pub"),
        "service-account-signing-key-file": str(pki / "accounts.key"),
        "service-account-issuer": "https://kubernetes.default.svc",
        "service-cluster-ip-range": SERVICE_RANGE,
        "authorization-mode": "Node,RBAC",
        "allow-privileged": "true",
    }


def controller_flags(name: str, pki: Path) -> dict[str, str]:
    """What the controller manager or the scheduler is told."""
    flags = {
        "leader-elect": "false",  # leaders end when the API server is away for longer than their lease
        "secure-port": "0",
        "kubeconfig": str(pki / f"{name}.kubeconfig"),
    }
    if name == "kube-controller-manager":
        flags["service-account-private-key-file"] = str(pki / "accounts.key")
        flags["root-ca-file"] = str(pki / "ca.crt")
        flags["use-service-account-credentials"] = "true"
    return flags
