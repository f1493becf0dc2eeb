# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs of the local cluster, built from their Go modules."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import threading
import time
from pathlib import Path

from machine import ClusterError, digest, only_one, run, say

VERSION = "1.34.4"
"""Kubernetes' version; go.mod has the same."""
OLDEST_GO = (1, 24)
SOURCES = Path(__file__).resolve().parent / "kubenode"
GO_FOLDER = "/usr/local/go/bin"
"""Where Go's own installation puts it; the PATH of sudo doesn't have it."""
SILENCE = 10.0
"""Seconds after which a build says how far it is."""


class Programs:
    """The built programs in one folder, which is kept when the cluster is removed.

    Args:
        cache: the folder.

    Attributes:
        kubenode: every Kubernetes program in one.
        pause: what holds a pod's namespaces.
    """

    def __init__(self, cache: Path) -> None:
        self.kubenode = cache / "kubenode"
        self.pause = cache / "pause"
        self._stamp_file = cache / "kubenode.stamp"

    def build(self) -> bool:
        """Builds them, unless they are what their sources say: minutes with an empty Go build cache.

        Returns:
            Whether anything was built.
        """
        if self.stamp() == sources_stamp():
            return False
        with only_one(self.kubenode.with_name("lock")):
            if self.stamp() == sources_stamp():
                return False
            self._build(find_go())
            return True

    def _build(self, go: str) -> None:
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
        stamp = sources_stamp()
        self._stamp_file.unlink(missing_ok=True)
        for package, target in ((".", self.kubenode), ("./pause", self.pause)):
            go_build(go, package, target, " ".join(flags))
        self._stamp_file.write_text(stamp, encoding="ascii")

    def stamp(self) -> str:
        """Says which sources they were built from; nothing where one is missing or half-built."""
        try:
            stamp = self._stamp_file.read_text(encoding="ascii")
        except (FileNotFoundError, UnicodeDecodeError):
            return ""
        return stamp if self.kubenode.exists() and self.pause.exists() else ""


def sources_stamp() -> str:
    """A stamp of what the programs are to be built from."""
    files = sorted(path for path in SOURCES.rglob("*") if path.is_file())
    return digest(*(path.read_bytes() for path in files), VERSION.encode())


def find_go() -> str:
    """The path of a Go that is new enough; raises `ClusterError` where there is none."""
    wanted = ".".join(str(number) for number in OLDEST_GO)
    found = []
    for folders in (os.environ.get("PATH", ""), GO_FOLDER):
        go = shutil.which("go", path=folders)
        if go is None:
            continue
        environ = {**os.environ, "GOTOOLCHAIN": "local"}
        version = run([go, "env", "GOVERSION"], environ=environ, cwd=Path("/")).strip()
        numbers = re.search(r"go(\d+)\.(\d+)", version)
        if numbers is not None and (int(numbers[1]), int(numbers[2])) >= OLDEST_GO:
            return go
        found.append(f"{go} is {version}")
    if not found:
        raise ClusterError(f"Go is needed to build Kubernetes, {wanted} or newer; there is no go in PATH")
    raise ClusterError(f"Go {wanted} or newer is needed to build Kubernetes; {', '.join(found)}")


def go_build(go: str, package: str, target: Path, flags: str) -> None:
    """Builds one program, and says every few seconds how far it is."""
    # Git refuses to tell Go of a checkout that is somebody else's, as it is for root.
    command = [go, "build", "-v", "-trimpath", "-buildvcs=false", "-ldflags", flags]
    command += ["-o", str(target), package]
    environ = {**os.environ, "CGO_ENABLED": "0", "GOTOOLCHAIN": "local", "GOFLAGS": "-mod=readonly"}
    began = time.monotonic()
    words: list[str] = []
    modules = compiled = 0
    with subprocess.Popen(
        command, cwd=SOURCES, env=environ, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    ) as process:

        def read() -> None:
            nonlocal modules, compiled
            for line in process.stdout or ():
                if line.startswith("go: downloading "):
                    modules += 1
                elif re.fullmatch(r"\S+\n", line):
                    compiled += 1
                else:
                    words.append(line)

        reader = threading.Thread(target=read)
        reader.start()
        while reader.is_alive():
            reader.join(SILENCE)
            if reader.is_alive():
                done = f"{modules} modules downloaded, {compiled} packages compiled"
                say(f"building {target.name}: {done} in {time.monotonic() - began:.0f} s")
    if process.returncode != 0:
        raise ClusterError(f"go build ended with {process.returncode}:\n{''.join(words[-30:])}")
    say(f"built {target.name} in {time.monotonic() - began:.0f} s")
