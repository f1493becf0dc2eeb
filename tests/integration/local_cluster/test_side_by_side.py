# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A second cluster in a deep folder, beside the one of the tests: neither knows of the other."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import tarfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

PROGRAM = Path(__file__).parents[3] / "roles/local_cluster/files/local_cluster.py"
IMAGE = "localhost/kubectl:latest"
DAEMONS = {
    "mounts",
    "containerd",
    "etcd",
    "kube-apiserver",
    "kube-controller-manager",
    "kube-scheduler",
    "kubelet",
}
ELSEWHERE = [
    Path(path)
    for path in (
        "/etc/cni",
        "/etc/kubernetes",
        "/opt/cni",
        "/opt/containerd",
        "/run/containerd",
        "/usr/libexec/kubernetes",
        "/var/lib/cni",
        "/var/lib/containerd",
        "/var/lib/kubelet",
        "/var/log/containers",
        "/var/log/pods",
    )
]
"""Where containerd and the kubelet leave something, unless they are kept from it."""


def run(*command: str | Path) -> str:
    """What a program prints; fails with its words where it fails."""
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}"
    return done.stdout


@dataclass(frozen=True)
class LocalCluster:
    """A cluster of the role local_cluster.

    Attributes:
        root: its folder.
        cache: the folder of the built programs.
    """

    root: Path
    cache: Path

    def call(self, *arguments: str | Path) -> str:
        """What its program says."""
        return run(sys.executable, PROGRAM, "--root", self.root, "--cache", self.cache, *arguments)

    def kubectl(self, *arguments: str) -> str:
        """What kubectl prints."""
        return run(self.root / "kubectl", *arguments)

    @property
    def key(self) -> str:
        """The part of every name that is its own."""
        return sha256(str(self.root).encode()).hexdigest()[:8]

    @property
    def bridge(self) -> str:
        """Its network interface."""
        return f"jp{self.key}"

    @property
    def settings(self) -> dict[str, Any]:
        """The ports and the subnet that were chosen."""
        settings: dict[str, Any] = json.loads((self.root / "settings.json").read_text())
        return settings

    @property
    def pids(self) -> dict[str, int]:
        """Its daemons' processes."""
        return {path.name: int(path.read_text()) for path in (self.root / "pids").iterdir()}

    @property
    def processes(self) -> dict[str, tuple[int, str]]:
        """Its daemons' processes with the times of their starts, of which no two are the same."""
        stats = {name: (pid, Path(f"/proc/{pid}/stat").read_text()) for name, pid in self.pids.items()}
        return {name: (pid, stat.rpartition(")")[2].split()[19]) for name, (pid, stat) in stats.items()}

    @property
    def answers(self) -> bool:
        """Whether its API server is ready."""
        return self.kubectl("get", "--raw", "/readyz") == "ok"


@pytest.fixture(scope="module")
def first() -> LocalCluster:
    """The cluster of all tests."""
    root = os.environ.get("JOBPODS_TEST_CLUSTER")
    if not root:
        pytest.fail("JOBPODS_TEST_CLUSTER is not set; run the tests with: make test")
    folder = Path(root).resolve()
    return LocalCluster(folder, folder.parent / "cache" / "cluster")


@pytest.fixture(scope="module")
def elsewhere() -> set[Path]:
    """What there was of `ELSEWHERE` before the second cluster."""
    return {path for path in ELSEWHERE if path.exists()}


@pytest.fixture(scope="module")
def made(
    first: LocalCluster, elsewhere: set[Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalCluster]:
    """A second cluster, whose folder's path alone is too long for a socket."""
    root = tmp_path_factory.mktemp("cluster").joinpath(
        *["a folder with a rather long name, at that"] * 3, "root"
    )
    assert len(str(root)) > 108
    cluster = LocalCluster(root, first.cache)
    try:
        yield cluster
    finally:
        cluster.call("down")


@pytest.fixture
def second(made: LocalCluster) -> LocalCluster:
    """The second cluster, which runs."""
    made.call("up")
    return made


@pytest.fixture(scope="module")
def rootfs(first: LocalCluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A root file system with kubectl in it, and nothing else."""
    path = tmp_path_factory.mktemp("image") / "rootfs.tar"
    with tarfile.open(path, "w") as tar:
        tar.add(first.cache / "kubenode", "kubenode")
    yield path
    path.unlink()  # pytest keeps its folders


@contextmanager
def other_machine(link: str, ours: str, theirs: str) -> Iterator[list[str]]:
    """A network namespace that is linked to this machine as another machine would be.

    Args:
        link: the name of this machine's end.
        ours: this machine's address on the link, of a network of four.
        theirs: the other end's address.

    Yields:
        What to put in front of a command that shall run there.
    """
    with subprocess.Popen(
        ["unshare", "--net", "sh", "-c", "echo; exec sleep infinity"], stdout=subprocess.PIPE
    ) as holder:
        try:
            assert holder.stdout
            holder.stdout.readline()
            there = ["nsenter", f"--net=/proc/{holder.pid}/ns/net"]
            run("ip", "link", "add", link, "type", "veth", "peer", "name", "eth0", "netns", str(holder.pid))
            run("ip", "address", "add", f"{ours}/30", "dev", link)
            run("ip", "link", "set", link, "up")
            run(*there, "ip", "address", "add", f"{theirs}/30", "dev", "eth0")
            run(*there, "ip", "link", "set", "eth0", "up")
            run(*there, "ip", "route", "add", "default", "via", ours)
            yield there
        finally:
            subprocess.run(["ip", "link", "delete", link], check=False)
            holder.kill()


def connects(there: list[str], address: str, port: int) -> bool:
    """Whether a connection comes about, from another machine."""
    program = "import socket, sys; socket.create_connection((sys.argv[1], int(sys.argv[2])), 1).close()"
    command = [*there, sys.executable, "-c", program, address, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0 or "Error" in done.stderr
    return done.returncode == 0


def dropped(cluster: LocalCluster, port: int) -> int:
    """How many packets to a port were dropped."""
    lines = run("iptables", "--wait", "-L", f"JP{cluster.key}-INPUT", "-v", "-n", "-x").splitlines()
    (line,) = (line for line in lines if " DROP " in line and line.endswith(f"dpt:{port}"))
    return int(line.split()[0])


def test_they_share_nothing(first: LocalCluster, second: LocalCluster) -> None:
    assert first.answers
    assert second.answers
    chosen = [
        (first.settings[name], second.settings[name]) for name in ("subnet", "api_port", "kubelet_port")
    ]
    assert all(ours != theirs for ours, theirs in chosen)
    assert (
        len({cluster.settings[port] for cluster in (first, second) for port in ("api_port", "kubelet_port")})
        == 4
    )
    rules = run("iptables-save")
    for cluster in (first, second):
        assert cluster.processes.keys() == DAEMONS
        assert Path("/sys/class/net", cluster.bridge).exists()
        assert {line.split()[0] for line in rules.splitlines() if line.startswith(f":JP{cluster.key}-")} == {
            f":JP{cluster.key}-{chain}" for chain in ("INPUT", "FORWARD", "PREROUTING", "POSTROUTING")
        }
    assert not set(first.pids.values()) & set(second.pids.values())


def test_up_again_changes_nothing(second: LocalCluster) -> None:
    before = second.processes, second.settings
    assert second.call("up") == ""
    assert (second.processes, second.settings) == before


def test_a_pod_reaches_the_api_of_its_own_cluster(second: LocalCluster, rootfs: Path) -> None:
    second.call("load", IMAGE, rootfs)
    assert second.call("load", IMAGE, rootfs) == ""
    options = ["--image", IMAGE, "--image-pull-policy=Never", "--restart=Never", "--command"]
    second.kubectl("run", "who", *options, "--", "/kubenode", "kubectl", "auth", "whoami", "-v=6")
    second.kubectl("wait", "--for=jsonpath={.status.phase}=Succeeded", "pod/who", "--timeout=60s")
    said = second.kubectl("logs", "who")
    assert "https://10.96.0.1:443/" in said
    assert "system:serviceaccount:default:default" in said


def test_other_machines_reach_neither_the_api_nor_the_kubelet(second: LocalCluster) -> None:
    link = f"jt{second.key}"
    network = f"198.18.{int(second.key, 16) % 256}"
    settings = second.settings
    with (
        socket.create_server(("0.0.0.0", 0)) as open_to_all,  # noqa: S104
        other_machine(link, f"{network}.1", f"{network}.2") as there,
    ):
        assert connects(there, f"{network}.1", open_to_all.getsockname()[1])
        for port in (settings["api_port"], settings["kubelet_port"]):
            before = dropped(second, port)
            assert not connects(there, f"{network}.1", port)
            assert not connects(there, settings["subnet"].replace("0.0/16", "0.1"), port)
            assert dropped(second, port) >= before + 2
    assert second.answers


def test_it_comes_up_from_a_mess(first: LocalCluster, second: LocalCluster) -> None:
    undisturbed = first.processes
    for name in ("kubelet", "etcd", "mounts"):
        os.kill(second.pids[name], signal.SIGKILL)
    (second.root / "settings.json").write_text("{")
    (second.root / "settings.json.new").write_text("half")
    (second.root / "kubeconfig").unlink()
    (second.root / "kubeconfig").mkdir()
    (second.root / "kubeconfig" / "file").touch()
    (second.root / "etcd" / "member" / "wal" / "0.wal").write_bytes(b"rubbish")
    (second.root / "containerd" / "link").symlink_to(first.root)
    (second.root / "pids" / "kubelet").write_text("1")
    (second.root / "pids" / "etcd").write_text("no number")
    (second.root / "pki" / "ca.key").write_text("no key")
    run("ip", "link", "delete", second.bridge)
    run("iptables", "--wait", "-F", f"JP{second.key}-INPUT")
    assert "the cluster is ready" in second.call("up")
    assert "answers" in second.call("status")
    assert second.processes.keys() == DAEMONS
    assert second.kubectl("get", "nodes", "-o", "name") == "node/node1\n"
    assert first.processes == undisturbed


def test_down_leaves_nothing_and_the_other_one_alone(
    first: LocalCluster, second: LocalCluster, elsewhere: set[Path], rootfs: Path
) -> None:
    undisturbed = first.processes
    second.call("load", IMAGE, rootfs)
    options = ["--image", IMAGE, "--image-pull-policy=Never", "--command"]
    second.kubectl("run", "stays", *options, "--", "/kubenode", "kubectl", "get", "pods", "--watch")
    second.kubectl("wait", "--for=jsonpath={.status.phase}=Running", "pod/stays", "--timeout=60s")
    interfaces = {second.bridge, *os.listdir(f"/sys/class/net/{second.bridge}/brif")}
    assert len(interfaces) > 1
    subnet = second.settings["subnet"]
    assert "removed the cluster" in second.call("down")
    assert second.call("down") == ""

    assert not second.root.exists()
    assert not list(Path("/run").glob(f"*{second.key}*"))
    assert {path for path in ELSEWHERE if path.exists()} == elsewhere
    assert not interfaces & set(os.listdir("/sys/class/net"))
    assert second.key not in run("iptables-save")
    assert subnet not in run("ip", "route", "show", "table", "all")
    assert not [folder for folder, _folders, _files in os.walk("/sys/fs/cgroup") if second.key in folder]
    assert traces(second) == []
    assert first.processes == undisturbed
    assert first.answers


def traces(cluster: LocalCluster) -> list[str]:
    """What is left of a cluster in the machine's processes: their command lines, mounts and cgroups."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            state = (process / "stat").read_bytes().rpartition(b")")[2].split()[0]
            texts = [(process / kind).read_bytes() for kind in ("cmdline", "mountinfo", "cgroup")]
        except OSError:
            continue  # it has just ended
        if state == b"Z":
            continue  # it has ended too, and init will take note of that
        text = b"\n".join(texts).decode(errors="replace").replace("\\040", " ")
        if cluster.key in text or str(cluster.root) in text:
            found.append(f"{process.name}: {text}")
    return found
