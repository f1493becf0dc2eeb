# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real Kubernetes of one node on this machine, for the demo and the tests; not for anything that must last.

Needs root and a Debian with its packages containerd, runc and containernetworking-plugins; the Kubernetes
programs are built from their Go modules. Every name and number that could meet another cluster on the machine
(bridge, subnet, cgroups, iptables chains, ports, run folder) derives from the cluster's folder, or is a free
one. What containerd and the kubelet mount is in a mount namespace of their own, and goes away with them.
"""

from __future__ import annotations

import argparse
import contextlib
import http.client
import io
import ipaddress
import json
import os
import shlex
import shutil
import signal
import ssl
import subprocess
import sys
import tarfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

from certificates import make_certificates
from configuration import (
    CHAINS,
    COMPONENTS,
    MOUNTING,
    NODE,
    PAUSE_IMAGE,
    Names,
    Settings,
    containerd_configuration,
    daemon,
    firewall,
    kubelet_configuration,
    pod_network,
)
from machine import (
    PACKAGES,
    PATH,
    ClusterError,
    digest,
    free_ports,
    free_subnet,
    hierarchies,
    install_packages,
    iptables,
    iptables_quietly,
    name_servers,
    only_one,
    quiet,
    remove_mounts,
    run,
    say,
    wait_until,
    write,
)
from oci_image import Image, plain
from programs import Programs

START_LIMIT = 120.0
STOP_LIMIT = 60.0
FOLDERS = ("bin", "cni", "cni-ipam", "containerd", "etcd", "kubelet", "log", "pids", "pki", "pod-logs")
FILES = ("containerd.toml", "kubeconfig", "kubectl", "kubelet.yaml", "resolv.conf", "settings.json")
MADE = (*FOLDERS, *FILES, "kubectl-cache")
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
while read -r name target; do
    mkdir "$target"
    mount --no-mtab --bind "$run/root/$name" "$target"
done <<MOUNTS
containerd /var/lib/containerd
kubelet /var/lib/kubelet
pod-logs /var/log/pods
MOUNTS
mount --no-mtab --make-rshared /
echo held > "$run/held"
exec sleep infinity
"""
"""Runs in a mount namespace of its own, where containerd and the kubelet find everything at its usual place.

They see the cluster's folder as `root` in the run folder, which keeps paths short, and empty folders where
they would leave something of theirs on the machine.
"""


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
    load = verbs.add_parser("load", help="make an image of file systems, unless it is there")
    load.add_argument("name", help="such as localhost/jobpods-job:latest")
    load.add_argument(
        "layers",
        type=Path,
        nargs="+",
        help="tar files: the root file system, and what later ones lay over it",
    )
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
            cluster.programs.build()
        elif chosen.verb == "status":
            return cluster.status()
        else:
            with cluster.locked():
                if chosen.verb == "load":
                    cluster.load(chosen.name, chosen.layers)
                elif chosen.verb in ("stop", "start"):
                    getattr(cluster, f"{chosen.verb}_component")(chosen.component)
                else:
                    getattr(cluster, chosen.verb)()
    except (ClusterError, OSError) as exc:
        print(f"local_cluster: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("local_cluster: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
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
        self.programs = Programs(cache)

    @contextlib.contextmanager
    def locked(self) -> Iterator[None]:
        """One call at a time changes the cluster; the others wait."""
        lock = self.root / "lock"
        if self.root.exists() and any(self.root.iterdir()) and not lock.is_file():
            raise ClusterError(f"{self.root} is not the folder of a local cluster, and not empty either")
        with only_one(lock):
            yield

    # Up and down

    def up(self) -> None:
        """Starts the cluster from any state; does nothing where it runs and is what is described here."""
        built = self.programs.stamp()
        if not built:
            raise ClusterError(f"there is no {self.programs.kubenode}: build first")
        code = sorted(Path(__file__).parent.glob("*.py"))
        stamp = digest(built.encode(), *(path.read_bytes() for path in code))
        settings = self._settings()
        if settings is not None and settings.stamp == stamp and self._stands(settings):
            return
        self._clear()
        began = time.monotonic()
        api_port, kubelet_port = free_ports(self.names.key, 2)
        settings = Settings(free_subnet(self.names.key), api_port, kubelet_port, stamp)
        for folder in FOLDERS:
            (self.root / folder).mkdir(mode=0o700 if folder in ("etcd", "pki") else 0o755)
        for folder in ("", "root", "new"):
            (self.names.run / folder).mkdir(mode=0o700)
        shutil.copy2(self.programs.kubenode, self.root / "bin" / "kubenode")
        try:
            make_certificates(self.root, settings)
            self._write_configuration(settings)
            self._make_network(settings)
            self._start_all(settings)
        except ClusterError as exc:
            self._kill_all()
            raise ClusterError(f"{exc}\nlogs: {self.root / 'log'}") from exc
        except BaseException:  # interrupted, or the disk is full
            self._kill_all()
            raise
        # Written last: a cluster that came up halfway is started anew.
        write(self.root / "settings.json", json.dumps(asdict(settings)))
        took = time.monotonic() - began
        say(f"the cluster is ready after {took:.0f} s; KUBECONFIG={self.root / 'kubeconfig'}")

    def down(self) -> None:
        """Removes the cluster, in whatever state it is, and nothing that isn't its own."""
        made = [self.names.run, *(self.root / name for name in MADE)]
        was_there = any(path.exists() for path in made)
        self._clear()
        if was_there:
            say(f"removed the cluster in {self.root}")
        if [path.name for path in self.root.iterdir()] == ["lock"]:
            (self.root / "lock").unlink()
            self.root.rmdir()

    def _clear(self) -> None:
        """Removes everything but the lock."""
        self._kill_all()
        remove_mounts([self.root, self.names.run])
        self._remove_cgroups()
        self._remove_network()
        shutil.rmtree(self.names.run, ignore_errors=True)
        for name in MADE:
            for path in (self.root / name, self.root / f"{name}.new"):
                if path.is_dir() and not path.is_symlink():
                    shutil.rmtree(path)
                else:
                    path.unlink(missing_ok=True)

    def _stands(self, settings: Settings) -> bool:
        return not self._ended() and self._network_is_made(settings) and self._answers(settings)

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
            tar.add(self.programs.pause, "pause", filter=plain)
        self._import(PAUSE_IMAGE, Image(PAUSE_IMAGE, [pause], ["/pause"]))
        self._wait("kube-apiserver", lambda: self._answers(settings))
        for name in COMPONENTS[3:]:
            self._start(name, self._command(name, settings))
        self._wait("kubelet", lambda: "True" in self._kubectl("get", "node", NODE, "-o", _READY))
        self._wait("kube-controller-manager", lambda: bool(self._kubectl("get", "serviceaccount", "default")))

    def _hold_mounts(self) -> None:
        """Starts the process that holds the mount namespace; the mounts go with the last process in it."""
        holder = ["unshare", "--mount", "--propagation", "private", "sh", "-c", HOLD_MOUNTS, "sh"]
        self._start("mounts", [*holder, str(self.names.run), str(self.root)])
        self._wait("mounts", (self.names.run / "held").exists)

    # Processes

    def _command(self, name: str, settings: Settings) -> list[str]:
        """A daemon's command line, with what brings it to the cluster's mounts."""
        command = daemon(name, self.root, self.names, settings)
        if name not in MOUNTING:
            return command
        holder = self._pid("mounts")
        if holder is None:
            raise ClusterError("the process that holds the mounts has ended: start the cluster anew")
        return ["nsenter", f"--mount=/proc/{holder}/ns/mnt", *command]

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
        if name == "containerd":  # it alone goes to the world, for images
            environ.update(
                {key: value for key, value in os.environ.items() if key.lower().endswith("_proxy")}
            )
        with (self.root / "log" / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [program, *command[1:]],
                cwd=self.root,
                env=environ,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=join,  # there are no threads here
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
                # os.walk takes it well that cgroups vanish meanwhile.
                for folder, _folders, _files in os.walk(hierarchy / self.names.cgroup):
                    with contextlib.suppress(OSError):
                        for pid in Path(folder, "cgroup.procs").read_text(encoding="ascii").split():
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
                for folder, _folders, _files in os.walk(top, topdown=False):
                    with contextlib.suppress(OSError):  # a process in it has not gone yet
                        Path(folder).rmdir()
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

    def _network_is_made(self, settings: Settings) -> bool:
        """Whether nobody has removed a rule or the bridge, as a restart of the machine's firewall would."""
        return Path("/sys/class/net", self.names.bridge).exists() and all(
            iptables_quietly(table, "-C", parent, "-j", self.names.chain(parent))
            and all(iptables_quietly(table, "-C", self.names.chain(parent), *rule) for rule in rules)
            for table, parent, rules in firewall(self.names, settings)
        )

    def _remove_network(self) -> None:
        if shutil.which("iptables", path=PATH):
            for table, parent in CHAINS:
                chain = self.names.chain(parent)
                if iptables_quietly(table, "-n", "-L", chain):
                    while iptables_quietly(table, "-D", parent, "-j", chain):
                        pass
                    iptables(table, "-F", chain)
                    iptables(table, "-X", chain)
        bridge = Path("/sys/class/net", self.names.bridge)
        if bridge.exists():
            for port in (bridge / "brif").iterdir():
                quiet(["ip", "link", "delete", port.name])  # the kernel may be about to, as its pod has gone
            run(["ip", "link", "delete", bridge.name])

    # Files

    def _write_configuration(self, settings: Settings) -> None:
        write(self.root / "containerd.toml", containerd_configuration(self.names))
        write(self.root / "cni" / "10-pods.conflist", json.dumps(pod_network(self.names, settings)))
        write(self.root / "kubelet.yaml", json.dumps(kubelet_configuration(self.names, settings), indent=1))
        write(self.root / "resolv.conf", name_servers())
        command = [str(self.root / "bin" / "kubenode"), "kubectl"]
        command += ["--kubeconfig", str(self.root / "kubeconfig")]
        command += ["--cache-dir", str(self.root / "kubectl-cache")]
        write(self.root / "kubectl", f'#!/bin/sh\nexec {shlex.join(command)} "$@"\n', mode=0o755)

    def _settings(self) -> Settings | None:
        try:
            return Settings(**json.loads((self.root / "settings.json").read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    # What runs

    def load(self, name: str, layers: list[Path]) -> None:
        """Makes an image of these layers in the cluster, unless it has the very same."""
        if self._settings() is None or self._pid("containerd") is None:
            raise ClusterError(f"no cluster runs in {self.root}")
        began = time.monotonic()
        with contextlib.ExitStack() as files:
            image = Image(name, [files.enter_context(layer.open("rb")) for layer in layers])
            # The last word of an image's line says whether it was unpacked, the last step of loading it.
            listed = run([*self._ctr(), "images", "check", f"name=={name}"]).splitlines()
            if any(image.digest in line and line.split()[-1] == "true" for line in listed):
                return
            say(f"loading {name} ({sum(layer.stat().st_size for layer in layers) / 1e6:.0f} MB)")
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
        command = [str(self.root / "kubectl"), *arguments]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
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


if __name__ == "__main__":
    sys.exit(main())
