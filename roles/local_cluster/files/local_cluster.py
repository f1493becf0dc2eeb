# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kubernetes of one node on this machine, for the demo and the tests; not for anything that must last.

Needs root and a Debian with its packages containerd, runc and containernetworking-plugins; the Kubernetes programs
are built from their Go modules. Every name and number that could meet another cluster on the machine (bridge,
subnet, cgroups, iptables chains, ports, run folder) derives from the cluster's folder, or is a free one. What
containerd and the kubelet mount is in a mount namespace of their own, so that it goes away with them.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import fcntl
import hashlib
import http.client
import io
import ipaddress
import json
import os
import re
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import IO, Any

VERSION = "1.34.4"
"""Kubernetes' version; go.mod has the same."""
OLDEST_GO = (1, 24)
PACKAGES = (
    "ca-certificates",
    "containerd",
    "containernetworking-plugins",
    "iproute2",
    "iptables",
    "openssl",
    "runc",
    "util-linux",
)
SOURCES = Path(__file__).resolve().parent / "kubenode"
CGROUPS = Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PAUSE_IMAGE = "localhost/pause:1"
SERVICE_RANGE = "10.96.0.0/16"
API_SERVICE = "10.96.0.1"
NODE = "node1"
START_LIMIT = 120.0
STOP_LIMIT = 60.0
COMPONENTS = ("containerd", "etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler", "kubelet")
"""The daemons, in the order in which they start; beside them there is `mounts`, which holds the mount namespace."""
MADE = (
    "bin",
    "cni",
    "cni-ipam",
    "containerd",
    "containerd.toml",
    "etcd",
    "kubeconfig",
    "kubectl",
    "kubectl-cache",
    "kubelet",
    "kubelet.yaml",
    "log",
    "pids",
    "pki",
    "pod-logs",
    "resolv.conf",
    "settings.json",
)
"""Every file and folder that is made in the cluster's folder, but for its lock."""
HOLD_MOUNTS = """
set -e
run=$1 root=$2
mount --no-mtab --bind "$root" "$run/root"
mount --no-mtab -t tmpfs -o mode=0755 tmpfs "$run/new"
mkdir "$run/new/${run##*/}"
mount --no-mtab --rbind "$run" "$run/new/${run##*/}"
mount --no-mtab --move "$run/new" /run
for folder in /var/lib /var/log; do mount --no-mtab -t tmpfs -o mode=0755 tmpfs $folder; done
while read -r name target; do mkdir "$target"; mount --no-mtab --bind "$run/root/$name" "$target"; done <<MOUNTS
containerd /var/lib/containerd
kubelet /var/lib/kubelet
pod-logs /var/log/pods
MOUNTS
mount --no-mtab --make-rshared /
echo held > "$run/held"
exec sleep infinity
"""
"""Runs in a mount namespace of its own, in which containerd and the kubelet find everything at its usual place.

They see the cluster's folder as `root` in the run folder, which keeps paths short, and empty folders where they
would leave something of theirs on the machine.
"""


class ClusterError(Exception):
    """Something that the user has to know, in one message."""


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
        return cls(hashlib.sha256(str(root).encode()).hexdigest()[:8])

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


def main() -> int:
    """Does what the command line says; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--root", type=Path, required=True, help="the cluster's folder")
    parser.add_argument("--cache", type=Path, required=True, help="the folder of the built programs")
    verbs = parser.add_subparsers(dest="verb", required=True)
    packages = verbs.add_parser("packages", help="install the Debian packages that are missing")
    packages.add_argument("names", nargs="*", help="further packages")
    verbs.add_parser("build", help="build the programs, where they are not there or older than their sources")
    verbs.add_parser("up", help="start the cluster, unless it runs")
    verbs.add_parser("down", help="remove the cluster with all that belongs to it")
    verbs.add_parser("status", help="say whether it runs; exit status 1 if not")
    load = verbs.add_parser("load", help="make an image of a root file system, unless it is there")
    load.add_argument("name", help="such as localhost/jobpods-job:latest")
    load.add_argument("rootfs", type=Path, help="a tar file")
    for verb in ("stop", "start"):
        component = verbs.add_parser(verb, help=f"{verb} one component, to see what happens")
        component.add_argument("component", choices=COMPONENTS)
    chosen = parser.parse_args()
    cluster = Cluster(chosen.root.absolute(), chosen.cache.absolute())
    try:
        if os.geteuid() != 0:
            raise ClusterError("the local cluster needs root: containers, a bridge and iptables rules")
        if chosen.verb == "packages":
            install_packages([*PACKAGES, *chosen.names])
        elif chosen.verb == "build":
            cluster.build()
        elif chosen.verb == "status":
            return cluster.status()
        else:
            with cluster.locked():
                if chosen.verb == "load":
                    cluster.load(chosen.name, chosen.rootfs)
                elif chosen.verb in ("stop", "start"):
                    getattr(cluster, f"{chosen.verb}_component")(chosen.component)
                else:
                    getattr(cluster, chosen.verb)()
    except ClusterError as exc:
        print(f"local_cluster: {exc}", file=sys.stderr)
        return 1
    return 0


class Cluster:
    """The cluster in one folder.

    Args:
        root: its folder; everything but mounts, sockets and network settings lies in it.
        cache: where the built programs are kept, also when the cluster is removed.
    """

    def __init__(self, root: Path, cache: Path) -> None:
        self.root = root.resolve()
        self.names = Names.of(self.root)
        self.program = cache / "kubenode"
        self.pause = cache / "pause"
        self._stamp_file = cache / "kubenode.stamp"

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One call at a time changes the cluster; the others wait."""
        self.root.mkdir(parents=True, exist_ok=True)
        lock = self.root / "lock"
        while True:
            with lock.open("w", encoding="ascii") as file:
                try:
                    fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    say("waiting for another call to end")
                    fcntl.flock(file, fcntl.LOCK_EX)
                if not lock.exists() or not os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                    self.root.mkdir(parents=True, exist_ok=True)
                    continue  # the one before removed the cluster, and the lock with it
                yield
                return

    # Programs

    def build(self) -> None:
        """Builds the programs from their Go modules: minutes with an empty Go build cache."""
        stamp = self._sources_stamp()
        if self._built_stamp() == stamp:
            return
        go = self._find_go()
        self.program.parent.mkdir(parents=True, exist_ok=True)
        version = "k8s.io/component-base/version"
        major, minor, _patch = VERSION.split(".")
        flags = [
            "-s",
            "-w",
            f"-X {version}.gitVersion=v{VERSION}",
            f"-X {version}.gitMajor={major}",
            f"-X {version}.gitMinor={minor}",
            f"-X {version}.gitTreeState=clean",
            f"-X k8s.io/client-go/pkg/version.gitVersion=v{VERSION}",
        ]
        self._stamp_file.unlink(missing_ok=True)
        for package, target in ((".", self.program), ("./pause", self.pause)):
            self._go_build(go, package, target, " ".join(flags))
        self._stamp_file.write_text(stamp, encoding="ascii")

    def _go_build(self, go: str, package: str, target: Path, flags: str) -> None:
        command = [go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(target), package]
        environ = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
        began = time.monotonic()
        last = began
        compiled = 0
        words: list[str] = []
        process = subprocess.Popen(
            command, cwd=SOURCES, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        output = process.stdout
        if output is None:  # pragma: no cover - it is a pipe
            raise ClusterError("go has no output")
        os.set_blocking(output.fileno(), False)
        while process.poll() is None:
            time.sleep(0.2)
            for line in iter(output.readline, ""):
                if re.fullmatch(r"\S+\n", line):
                    compiled += 1
                else:
                    words.append(line)
            if time.monotonic() - last > 10:
                last = time.monotonic()
                say(f"building {target.name}: {compiled} packages compiled in {last - began:.0f} s")
        words.extend(output.readlines())
        if process.returncode != 0:
            raise ClusterError(f"go build ended with {process.returncode}:\n{''.join(words[-30:])}")
        say(f"built {target.name} in {time.monotonic() - began:.0f} s")

    @staticmethod
    def _find_go() -> str:
        wanted = ".".join(str(number) for number in OLDEST_GO)
        go = shutil.which("go", path=os.environ.get("PATH", "") + ":/usr/local/go/bin")
        if go is None:
            raise ClusterError(f"Go is needed to build Kubernetes, {wanted} or newer; there is no go in PATH")
        found = run(
            [go, "env", "GOVERSION"], environ={**os.environ, "GOTOOLCHAIN": "local"}, cwd=Path("/")
        ).strip()
        numbers = re.match(r"go(\d+)\.(\d+)", found)
        if numbers is None or (int(numbers[1]), int(numbers[2])) < OLDEST_GO:
            raise ClusterError(f"Go {wanted} or newer is needed to build Kubernetes; {go} is {found}")
        return go

    @staticmethod
    def _sources_stamp() -> str:
        return digest(
            *(path.read_bytes() for path in sorted(SOURCES.rglob("*")) if path.is_file()), VERSION.encode()
        )

    def _built_stamp(self) -> str:
        try:
            stamp = self._stamp_file.read_text(encoding="ascii")
        except FileNotFoundError:
            return ""
        return stamp if self.program.exists() and self.pause.exists() else ""

    # Up and down

    def up(self) -> None:
        """Starts the cluster from any state; does nothing where it runs and is what this file describes."""
        if not self._built_stamp():
            raise ClusterError(f"there is no {self.program}: build first")
        stamp = digest(self._built_stamp().encode(), Path(__file__).read_bytes())
        settings = self._settings()
        if settings is not None and settings.stamp == stamp and not self._ended() and self._answers(settings):
            return
        self.down()
        began = time.monotonic()
        self.root.mkdir(parents=True, exist_ok=True)
        settings = Settings(free_subnet(self.names.key), *free_ports(self.names.key, 2), stamp)
        for folder in (
            "bin",
            "cni",
            "cni-ipam",
            "containerd",
            "etcd",
            "kubelet",
            "log",
            "pids",
            "pki",
            "pod-logs",
        ):
            (self.root / folder).mkdir(mode=0o700 if folder in ("etcd", "pki") else 0o755)
        for folder in ("", "root", "new"):
            (self.names.run / folder).mkdir(mode=0o700)
        shutil.copy2(self.program, self.root / "bin" / "kubenode")
        try:
            self._make_certificates(settings)
            self._write_configuration(settings)
            self._make_network(settings)
            self._start_all(settings)
        except ClusterError as exc:
            self._kill_all()
            raise ClusterError(f"{exc}\nlogs: {self.root / 'log'}") from exc
        # Written last: a cluster that came up halfway is started anew.
        write(self.root / "settings.json", json.dumps(asdict(settings)))
        say(
            f"the cluster is ready after {time.monotonic() - began:.0f} s; KUBECONFIG={self.root / 'kubeconfig'}"
        )

    def down(self) -> None:
        """Removes the cluster, in whatever state it is, and nothing that isn't its own."""
        self._kill_all()
        remove_mounts([self.root, self.names.run])
        self._remove_cgroups()
        self._remove_network()
        shutil.rmtree(self.names.run, ignore_errors=True)
        for name in MADE:
            path = self.root / name
            if path.is_dir() and not path.is_symlink():
                shutil.rmtree(path)
            else:
                path.unlink(missing_ok=True)
        if [path.name for path in self.root.iterdir()] == ["lock"]:
            (self.root / "lock").unlink()
            self.root.rmdir()

    def status(self) -> int:
        """Prints what runs; returns 0 where the cluster is ready."""
        settings = self._settings()
        if settings is None:
            print(f"no cluster runs in {self.root}")
            return 1
        for name in COMPONENTS:
            pid = self._pid(name)
            print(f"{name:24} {f'runs as process {pid}' if pid else 'does not run'}")
        ready = self._answers(settings)
        print(f"{'API':24} https://127.0.0.1:{settings.api_port} {'answers' if ready else 'does not answer'}")
        return 0 if ready and not self._ended() else 1

    def stop_component(self, name: str) -> None:
        """Kills one daemon, as a crash would."""
        pid = self._pid(name)
        if pid is None:
            raise ClusterError(f"{name} does not run")
        os.kill(pid, signal.SIGKILL)
        wait_until(lambda: self._pid(name) is None, f"{name} to end", STOP_LIMIT)

    def start_component(self, name: str) -> None:
        """Starts one daemon that was stopped."""
        settings = self._settings()
        if settings is None:
            raise ClusterError(f"no cluster runs in {self.root}")
        if self._pid(name) is not None:
            raise ClusterError(f"{name} runs already")
        self._start(name, self._command(name, settings))

    def _start_all(self, settings: Settings) -> None:
        self._hold_mounts()
        self._start("containerd", self._command("containerd", settings))
        self._start("etcd", self._command("etcd", settings))
        self._wait("etcd", (self.names.run / "etcd-client.sock").exists)
        self._start("kube-apiserver", self._command("kube-apiserver", settings))
        self._wait("containerd", lambda: quiet([*self._ctr(), "version"]))
        pause = io.BytesIO()
        with tarfile.open(fileobj=pause, mode="w") as tar:
            tar.add(self.pause, "pause", filter=plain)
        self._import(PAUSE_IMAGE, Image(PAUSE_IMAGE, pause, ["/pause"]))
        self._wait("kube-apiserver", lambda: self._answers(settings))
        for name in COMPONENTS[3:]:
            self._start(name, self._command(name, settings))
        self._wait("kubelet", lambda: "True" in self._kubectl("get", "node", NODE, "-o", _READY))
        self._wait("kube-controller-manager", lambda: bool(self._kubectl("get", "serviceaccount", "default")))

    def _hold_mounts(self) -> None:
        """Starts the process that holds the mount namespace: when the last one in it ends, the mounts are gone."""
        holder = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HOLD_MOUNTS, "sh"]
        self._start("mounts", [*holder, str(self.names.run), str(self.root)])
        self._wait("mounts", (self.names.run / "held").exists)

    def _command(self, name: str, settings: Settings) -> list[str]:
        """The command line of a daemon.

        See the reference of each program's flags in the Kubernetes documentation, "Component tools".
        """
        root, pki = self.root, self.root / "pki"
        if name in ("containerd", "kubelet"):
            holder = self._pid("mounts")
            if holder is None:
                raise ClusterError("the process that holds the mounts has ended: start the cluster anew")
            enter = ["nsenter", f"--mount=/proc/{holder}/ns/mnt"]
            seen = self.names.root_within
            if name == "containerd":
                return [*enter, "containerd", "--config", f"{seen}/containerd.toml"]
            node = ["--hostname-override", NODE, "--node-ip", settings.node_address]
            config = ["--config", f"{seen}/kubelet.yaml", "--kubeconfig", f"{seen}/pki/kubelet.kubeconfig"]
            return [*enter, f"{seen}/bin/kubenode", "kubelet", *config, *node]
        if name == "etcd":
            client, peer = (f"unix://{self.names.run}/etcd-{side}.sock" for side in ("client", "peer"))
            arguments = {
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
        elif name == "kube-apiserver":
            arguments = {
                "etcd-servers": f"unix://{self.names.run}/etcd-client.sock",
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
        else:
            # Leaders end themselves when the API server is away for longer than their lease.
            arguments = {
                "leader-elect": "false",
                "secure-port": "0",
                "kubeconfig": str(pki / f"{name}.kubeconfig"),
            }
            if name == "kube-controller-manager":
                arguments["service-account-private-key-file"] = str(pki / "accounts.key")
                arguments["root-ca-file"] = str(pki / "ca.crt")
                arguments["use-service-account-credentials"] = "true"
        return [
            str(root / "bin" / "kubenode"),
            name,
            *(f"--{key}={value}" for key, value in arguments.items()),
        ]

    # Processes

    def _start(self, name: str, command: Sequence[str]) -> None:
        """Starts a daemon in the cluster's cgroup, detached from this process."""
        cgroup = self._cgroup_of_daemons()
        cgroup.mkdir(parents=True, exist_ok=True)

        def join() -> None:
            (cgroup / "cgroup.procs").write_text(str(os.getpid()), encoding="ascii")

        program = shutil.which(command[0], path=PATH)
        if program is None:
            raise ClusterError(f"there is no {command[0]}; install the Debian packages: {' '.join(PACKAGES)}")
        environ = {"PATH": PATH, "HOME": str(self.root), "LANG": "C.UTF-8"}
        environ.update({key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")})
        with (self.root / "log" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(  # noqa: PLW1509  # there are no threads here
                [program, *command[1:]],
                cwd=self.root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=join,
            )
        write(self.root / "pids" / name, str(process.pid))

    def _pid(self, name: str) -> int | None:
        """The process of a daemon, where it lives and is the cluster's own."""
        try:
            pid = int((self.root / "pids" / name).read_text(encoding="ascii"))
            status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
            own = (self._cgroup_of_daemons() / "cgroup.procs").read_text(encoding="ascii").split()
        except (OSError, ValueError):
            return None
        return pid if str(pid) in own and status.rpartition(")")[2].split()[0] != "Z" else None

    def _ended(self) -> list[str]:
        return [name for name in ("mounts", *COMPONENTS) if self._pid(name) is None]

    def _wait(self, name: str, done: Callable[[], bool]) -> None:
        """Waits until a daemon does what it should; ends at once where it has ended."""

        def check() -> bool:
            if self._pid(name) is None:
                log = (self.root / "log" / f"{name}.log").read_text(encoding="utf-8", errors="replace")
                raise ClusterError(f"{name} has ended:\n" + "\n".join(log.splitlines()[-10:]))
            return done()

        wait_until(check, f"{name} to be ready", START_LIMIT)

    def _kill_all(self) -> None:
        """Kills what is in the cluster's cgroups until nothing is: daemons, shims and containers."""

        def none_left() -> bool:
            left = False
            for hierarchy in hierarchies():
                for path in (hierarchy / self.names.cgroup).rglob("cgroup.procs"):
                    with contextlib.suppress(OSError):
                        for pid in path.read_text(encoding="ascii").split():
                            left = True
                            with contextlib.suppress(ProcessLookupError):
                                os.kill(int(pid), signal.SIGKILL)
            return not left

        wait_until(none_left, "the cluster's processes to end", STOP_LIMIT)

    def _cgroup_of_daemons(self) -> Path:
        found = hierarchies()
        chosen = next((path for path in found if path.name in ("pids", "pids,cpu")), found[0])
        return chosen / self.names.cgroup / "daemons"

    def _remove_cgroups(self) -> None:
        def removed() -> bool:
            left = False
            for hierarchy in hierarchies():
                top = hierarchy / self.names.cgroup
                for path in sorted([top, *top.rglob("*")], reverse=True):
                    if path.is_dir():
                        with contextlib.suppress(OSError):  # a process in it has not gone yet
                            path.rmdir()
                left = left or top.exists()
            return not left

        wait_until(removed, "the cluster's cgroups to be empty", STOP_LIMIT)

    # Network

    def _make_network(self, settings: Settings) -> None:
        for hierarchy in hierarchies():
            (hierarchy / self.names.cgroup).mkdir(exist_ok=True)
        for table, parent, rules in firewall(self.names, settings):
            chain = self.names.chain(parent)
            iptables(table, "-N", chain)
            for rule in rules:
                iptables(table, "-A", chain, *rule)
            iptables(table, "-I", parent, "-j", chain)
        run(["ip", "link", "add", self.names.bridge, "type", "bridge"])
        length = ipaddress.ip_network(settings.subnet).prefixlen
        run(["ip", "address", "add", f"{settings.node_address}/{length}", "dev", self.names.bridge])
        run(["ip", "link", "set", self.names.bridge, "up"])

    def _remove_network(self) -> None:
        if shutil.which("iptables", path=PATH):
            for table, parent in CHAINS:
                chain = self.names.chain(parent)
                if iptables_quietly(table, "-n", "-L", chain):
                    while iptables_quietly(table, "-D", parent, "-j", chain):
                        pass
                    iptables(table, "-F", chain)
                    iptables(table, "-X", chain)
        if Path("/sys/class/net", self.names.bridge).exists():
            run(["ip", "link", "delete", self.names.bridge])

    # Files

    def _make_certificates(self, settings: Settings) -> None:
        """Makes the cluster's certificates, see "PKI certificates and requirements" in the Kubernetes documentation."""
        pki = self.root / "pki"
        write(pki / "openssl.cnf", "[req]\ndistinguished_name=name\n[name]\n")
        new = [
            "-config",
            str(pki / "openssl.cnf"),
            "-newkey",
            "ec",
            "-pkeyopt",
            "ec_paramgen_curve:P-256",
            "-nodes",
        ]

        def certify(name: str, subject: str, extensions: Sequence[str], ca: str | None = "ca") -> None:
            key, certificate = str(pki / f"{name}.key"), str(pki / f"{name}.crt")
            command = ["openssl", "req", "-x509", *new, "-days", "3650", "-subj", subject]
            command += ["-keyout", key, "-out", certificate]
            for extension in extensions:
                command += ["-addext", extension]
            if ca:
                command += ["-CA", str(pki / f"{ca}.crt"), "-CAkey", str(pki / f"{ca}.key")]
            run(command)

        certify("ca", "/CN=jobpods-local-cluster", ["basicConstraints=critical,CA:TRUE"], ca=None)
        addresses = f"IP:127.0.0.1,IP:{API_SERVICE},IP:{settings.node_address}"
        services = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
        certify(
            "apiserver",
            "/CN=kube-apiserver",
            [f"subjectAltName={services},{addresses}", "extendedKeyUsage=serverAuth"],
        )
        both = "extendedKeyUsage=serverAuth,clientAuth"
        node = f"subjectAltName=DNS:{NODE},IP:{settings.node_address}"
        certify("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", [node, both])
        client = ["extendedKeyUsage=clientAuth"]
        certify("admin", "/O=system:masters/CN=admin", client)
        certify("kube-controller-manager", "/CN=system:kube-controller-manager", client)
        certify("kube-scheduler", "/CN=system:kube-scheduler", client)
        accounts = str(pki / "accounts.key")
        run(
            [
                "openssl",
                "genpkey",
                "-algorithm",
                "EC",
                "-pkeyopt",
                "ec_paramgen_curve:P-256",
                "-out",
                accounts,
            ]
        )
        run(["openssl", "pkey", "-in", accounts, "-pubout", "-out", str(pki / "accounts.pub")])
        for name in ("kubelet", "kube-controller-manager", "kube-scheduler"):
            self._write_kubeconfig(pki / f"{name}.kubeconfig", name, settings)
        self._write_kubeconfig(self.root / "kubeconfig", "admin", settings)

    def _write_kubeconfig(self, path: Path, user: str, settings: Settings) -> None:
        """Writes a kubeconfig with the certificates in it, so that it can be copied."""
        pki = self.root / "pki"
        data = {
            name: base64.b64encode((pki / name).read_bytes()).decode()
            for name in ("ca.crt", f"{user}.crt", f"{user}.key")
        }
        server = {
            "server": f"https://127.0.0.1:{settings.api_port}",
            "certificate-authority-data": data["ca.crt"],
        }
        key = {"client-certificate-data": data[f"{user}.crt"], "client-key-data": data[f"{user}.key"]}
        config = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "local", "cluster": server}],
            "users": [{"name": user, "user": key}],
            "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
            "current-context": "local",
        }
        write(path, json.dumps(config, indent=1) + "\n", mode=0o600)

    def _write_configuration(self, settings: Settings) -> None:
        write(self.root / "containerd.toml", containerd_configuration(self.names))
        write(self.root / "cni" / "10-pods.conflist", json.dumps(pod_network(self.names, settings)))
        write(self.root / "kubelet.yaml", json.dumps(kubelet_configuration(self.names, settings), indent=1))
        write(self.root / "resolv.conf", name_servers())
        command = [
            str(self.root / "bin" / "kubenode"),
            "kubectl",
            "--kubeconfig",
            str(self.root / "kubeconfig"),
        ]
        command += ["--cache-dir", str(self.root / "kubectl-cache")]
        words = " ".join("'" + word.replace("'", "'\\''") + "'" for word in command)
        write(self.root / "kubectl", f'#!/bin/sh\nexec {words} "$@"\n', mode=0o755)

    def _settings(self) -> Settings | None:
        try:
            return Settings(**json.loads((self.root / "settings.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    # What runs

    def load(self, name: str, rootfs: Path) -> None:
        """Makes an image of a root file system in the cluster, unless it has the very same."""
        if self._settings() is None or self._pid("containerd") is None:
            raise ClusterError(f"no cluster runs in {self.root}")
        began = time.monotonic()
        with rootfs.open("rb") as layer:
            image = Image(name, layer)
            listed = run([*self._ctr(), "images", "list", f"name=={name}"])
            if image.digest in listed:
                return
            say(f"loading {name} ({rootfs.stat().st_size / 1e6:.0f} MB)")
            self._import(name, image)
        say(f"loaded {name} in {time.monotonic() - began:.0f} s")

    def _import(self, name: str, image: Image) -> None:
        with subprocess.Popen(
            [*self._ctr(), "images", "import", "-"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
        ) as process:
            if process.stdin is None or process.stdout is None:  # pragma: no cover - they are pipes
                raise ClusterError("ctr has no pipes")
            with contextlib.suppress(BrokenPipeError):
                image.write(process.stdin)
                process.stdin.close()
            words = process.stdout.read().decode(errors="replace")
        if process.returncode != 0:
            raise ClusterError(f"containerd did not take the image {name}: {words.strip()}")

    def _ctr(self) -> list[str]:
        return ["ctr", "--address", str(self.names.run / "containerd.sock"), "--namespace", "k8s.io"]

    def _kubectl(self, *arguments: str) -> str:
        """What kubectl prints, or nothing where it fails."""
        done = subprocess.run(
            [str(self.root / "kubectl"), *arguments], capture_output=True, text=True, check=False
        )
        return done.stdout if done.returncode == 0 else ""

    def _answers(self, settings: Settings) -> bool:
        """Whether the API server says that it is ready."""
        pki = self.root / "pki"
        try:
            trust = ssl.create_default_context(cafile=str(pki / "ca.crt"))
            trust.load_cert_chain(pki / "admin.crt", pki / "admin.key")
            api = http.client.HTTPSConnection("127.0.0.1", settings.api_port, timeout=5, context=trust)
            with contextlib.closing(api):
                api.request("GET", "/readyz")
                return api.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False


_READY = 'jsonpath={.status.conditions[?(@.type=="Ready")].status}'


class Image:
    """An OCI image of one layer, see the OCI image layout specification.

    Args:
        name: what it will be called in the cluster.
        layer: an uncompressed tar with the root file system.
        entrypoint: its program; without one, the pod says what runs.
    """

    def __init__(self, name: str, layer: IO[bytes], entrypoint: Sequence[str] = ()) -> None:
        self._layer = layer
        layer.seek(0)
        hashed = hashlib.sha256()
        self._size = 0
        for chunk in iter(lambda: layer.read(1 << 20), b""):
            hashed.update(chunk)
            self._size += len(chunk)
        self._layer_digest = f"sha256:{hashed.hexdigest()}"
        config: dict[str, Any] = {"Env": [f"PATH={PATH}"], "WorkingDir": "/"}
        if entrypoint:
            config["Entrypoint"] = list(entrypoint)
        self._config = compact(
            {
                "architecture": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [self._layer_digest]},
            }
        )
        self._manifest = compact(
            {
                "schemaVersion": 2,
                "mediaType": "application/vnd.oci.image.manifest.v1+json",
                "config": _descriptor("application/vnd.oci.image.config.v1+json", self._config),
                "layers": [
                    {
                        "mediaType": "application/vnd.oci.image.layer.v1.tar",
                        "digest": self._layer_digest,
                        "size": self._size,
                    }
                ],
            }
        )
        names = {"io.containerd.image.name": name, "org.opencontainers.image.ref.name": name}
        descriptor = _descriptor("application/vnd.oci.image.manifest.v1+json", self._manifest)
        self.digest = str(descriptor["digest"])
        self._index = compact({"schemaVersion": 2, "manifests": [{**descriptor, "annotations": names}]})

    def write(self, stream: IO[bytes]) -> None:
        """Writes the image as one tar stream."""
        with tarfile.open(fileobj=stream, mode="w|") as tar:
            small = {
                "oci-layout": b'{"imageLayoutVersion":"1.0.0"}',
                "index.json": self._index,
                _blob(hashlib.sha256(self._config).hexdigest()): self._config,
                _blob(hashlib.sha256(self._manifest).hexdigest()): self._manifest,
            }
            for name, content in small.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            entry = tarfile.TarInfo(_blob(self._layer_digest.partition(":")[2]))
            entry.size = self._size
            self._layer.seek(0)
            tar.addfile(entry, self._layer)


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {
        "mediaType": media_type,
        "digest": f"sha256:{hashlib.sha256(content).hexdigest()}",
        "size": len(content),
    }


def _blob(digits: str) -> str:
    return f"blobs/sha256/{digits}"


def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry that says nothing of who made it and when, so that the same content gives the same image."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755
    return entry


# Configuration


def containerd_configuration(names: Names) -> str:
    """containerd's configuration, see its "CRI plugin config guide"."""
    return f"""version = 2
root = "/var/lib/containerd"
state = "/run/containerd"
[grpc]
address = {json.dumps(str(names.run / "containerd.sock"))}
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


def name_servers() -> str:
    """The resolv.conf for pods: this machine's own, but not one that leads to a resolver on a loopback address."""
    own, behind = Path("/etc/resolv.conf"), Path("/run/systemd/resolve/resolv.conf")
    text = own.read_text(encoding="utf-8") if own.exists() else ""
    servers = re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)
    if behind.exists() and all(server.startswith("127.") for server in servers):
        return behind.read_text(encoding="utf-8")
    return text


CHAINS = (("filter", "INPUT"), ("filter", "FORWARD"), ("nat", "PREROUTING"), ("nat", "POSTROUTING"))


def firewall(names: Names, settings: Settings) -> list[tuple[str, str, list[list[str]]]]:
    """The iptables rules, as table, built-in chain and rules of our own chain in it.

    Pods reach the API at its service's address by one DNAT rule, the world through the machine's own address, and
    nobody beyond the machine reaches the API server or the kubelet.
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


def free_subnet(key: str) -> str:
    """A network for the pods that no route of this machine leads to; the same one for the same key if it is free."""
    routes = json.loads(run(["ip", "-json", "-4", "route", "show", "table", "all"]))
    taken = [
        ipaddress.ip_network(route["dst"], strict=False) for route in routes if route["dst"][0].isdigit()
    ]
    for step in range(120):
        network = ipaddress.ip_network(f"10.{128 + (int(key, 16) + step) % 120}.0.0/16")
        if not any(network.overlaps(other) for other in taken):
            return str(network)
    raise ClusterError("no free network for the pods: routes lead to all of 10.128.0.0/16 to 10.247.0.0/16")


def free_ports(key: str, count: int) -> tuple[int, ...]:
    """Ports that nobody listens on, the same ones for the same key if they are free.

    They are below the range from which the kernel gives ports to outgoing connections.
    """
    first = 20000 + int(key, 16) % 9000
    found: list[int] = []
    for port in range(first, first + 1000):
        with socket.socket() as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            with contextlib.suppress(OSError):
                probe.bind(("0.0.0.0", port))  # noqa: S104  # nobody may listen on any address
                found.append(port)
        if len(found) == count:
            return tuple(found)
    raise ClusterError(f"no free port from {first} to {first + 999}")


# Small tools


def install_packages(packages: Sequence[str]) -> None:
    """Installs the Debian packages that are missing."""
    asked = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages]
    shown = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    missing = [name for name in packages if name not in installed]
    if not missing:
        return
    if shutil.which("apt-get") is None:
        raise ClusterError(
            f"this is no Debian; install by other means what these packages have: {' '.join(missing)}"
        )
    say(f"installing {' '.join(missing)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], environ=environ)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], environ=environ)


def hierarchies() -> list[Path]:
    """The roots of the machine's cgroup hierarchies: one with cgroup v2, several with v1."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    return sorted(
        path for path in CGROUPS.iterdir() if (path / "cgroup.procs").exists() and not path.is_symlink()
    )


def remove_mounts(folders: Sequence[Path]) -> None:
    """Unmounts what is mounted below the folders, the innermost first."""
    table = Path("/proc/self/mountinfo").read_text(encoding="utf-8", errors="surrogateescape")
    points = [
        re.sub(r"\\(\d{3})", lambda octal: chr(int(octal[1], 8)), line.split()[4])
        for line in table.splitlines()
    ]
    for point in reversed(points):
        if any(folder in Path(point).parents for folder in folders):
            run(["umount", "--lazy", point])


def iptables(table: str, *arguments: str) -> None:
    """Changes a table; waits for its lock."""
    run(["iptables", "--wait", "--table", table, *arguments])


def iptables_quietly(table: str, *arguments: str) -> bool:
    """Tries to; says whether it went."""
    return quiet(["iptables", "--wait", "--table", table, *arguments])


def run(command: Sequence[str], environ: dict[str, str] | None = None, cwd: Path | None = None) -> str:
    """Runs a program, returns its output; raises `ClusterError` with its words where it fails."""
    environ = {**(environ or os.environ)}
    environ["PATH"] = f"{environ.get('PATH', '')}:{PATH}"
    program = shutil.which(command[0], path=environ["PATH"])
    if program is None:
        raise ClusterError(f"there is no {command[0]}; install the Debian packages: {' '.join(PACKAGES)}")
    done = subprocess.run(
        [program, *command[1:]],
        env=environ,
        cwd=cwd,
        capture_output=True,
        text=True,
        check=False,
        errors="replace",
    )
    if done.returncode != 0:
        words = (done.stderr.strip() or done.stdout.strip())[-3000:]
        raise ClusterError(f"{' '.join(command[:4])} ended with {done.returncode}: {words}")
    return done.stdout


def quiet(command: Sequence[str]) -> bool:
    """Runs a program for its exit status only."""
    try:
        run(command)
    except ClusterError:
        return False
    return True


def wait_until(done: Callable[[], bool], what: str, limit: float) -> None:
    """Waits for a condition, at most `limit` seconds."""
    began = time.monotonic()
    while not done():
        if time.monotonic() - began > limit:
            raise ClusterError(f"waited {limit:.0f} s for {what}")
        time.sleep(0.05)


def write(path: Path, content: str, mode: int = 0o644) -> None:
    """Writes a file whole or not at all, and never readable by more than it should be."""
    fresh = path.with_name(path.name + ".new")
    fresh.unlink(missing_ok=True)
    with os.fdopen(os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "w", encoding="utf-8") as file:
        file.write(content)
    fresh.chmod(mode)
    fresh.replace(path)


def compact(value: object) -> bytes:
    """A value as JSON, always the same for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()


def digest(*parts: bytes) -> str:
    """A digest of several parts."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def say(text: str) -> None:
    """Shows what goes on."""
    print(f"local_cluster: {text}", file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main())
