# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the local cluster asks of this machine: packages, programs, networks, ports, mounts and cgroups."""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import ipaddress
import json
import os
import re
import shutil
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

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
RESOLV_CONF = Path("/etc/resolv.conf")
SYSTEMD_RESOLV_CONF = Path("/run/systemd/resolve/resolv.conf")
CGROUPS = Path("/sys/fs/cgroup")
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class ClusterError(Exception):
    """Something that the user has to know, in one message."""


def free_subnet(key: str) -> str:
    """A network for the pods that no route of this machine leads to.

    It is the same one for the same key, as long as that is free.
    """
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
    """Ports that nobody listens on.

    They are the same ones for the same key, as long as they are free, and below the range from which the
    kernel gives ports to outgoing connections.
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


def name_servers(own: Path = RESOLV_CONF, behind: Path = SYSTEMD_RESOLV_CONF) -> str:
    """The resolv.conf for pods.

    It is this machine's own, or what is behind it where that leads to a resolver on a loopback address.
    """
    text = own.read_text(encoding="utf-8") if own.exists() else ""
    servers = re.findall(r"^nameserver\s+(\S+)", text, re.MULTILINE)
    if behind.exists() and all(server.startswith("127.") or server == "::1" for server in servers):
        return behind.read_text(encoding="utf-8")
    return text


def install_packages(packages: Sequence[str]) -> None:
    """Installs the Debian packages that are missing."""
    if shutil.which("dpkg-query") is None or shutil.which("apt-get") is None:
        raise ClusterError(f"this is no Debian, which has these packages: {' '.join(packages)}")
    asked = ["dpkg-query", "--show", "--showformat", "${Package} ${db:Status-Status}\n", *packages]
    shown = subprocess.run(asked, capture_output=True, text=True, check=False).stdout
    installed = {line.split()[0] for line in shown.splitlines() if line.endswith(" installed")}
    missing = [name for name in packages if name not in installed]
    if not missing:
        return
    say(f"installing {' '.join(missing)}")
    environ = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], environ=environ)
    run(["apt-get", "install", "-q", "-y", "--no-install-recommends", *missing], environ=environ)


@contextlib.contextmanager
def only_one(lock: Path) -> Iterator[None]:
    """Lets one call at a time in; the others wait. The lock's folder may come and go."""
    while True:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with lock.open("w", encoding="ascii") as file:
            try:
                fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("waiting for another call to end")
                fcntl.flock(file, fcntl.LOCK_EX)
            # Who had it before may have removed the folder, and the lock with it.
            if lock.exists() and os.path.samestat(os.fstat(file.fileno()), lock.stat()):
                yield
                return


def hierarchies() -> list[Path]:
    """The roots of the machine's cgroup hierarchies: one with cgroup v2, several with v1."""
    if (CGROUPS / "cgroup.procs").exists():
        return [CGROUPS]
    found = sorted(
        path for path in CGROUPS.glob("*") if (path / "cgroup.procs").exists() and not path.is_symlink()
    )
    if not found:
        raise ClusterError(f"no cgroups are mounted at {CGROUPS}")
    return found


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


def digest(*parts: bytes) -> str:
    """A digest of several parts."""
    return hashlib.sha256(b"".join(hashlib.sha256(part).digest() for part in parts)).hexdigest()


def say(text: str) -> None:
    """Shows what goes on."""
    print(f"local_cluster: {text}", file=sys.stderr, flush=True)
