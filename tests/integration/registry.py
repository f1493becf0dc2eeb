# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real container registry, Debian's docker-registry: unpacked, not installed, so that no service starts."""

from __future__ import annotations

import json
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

START_LIMIT = 30.0


def unpacked(package: str, cache: Path) -> Path:
    """The folder with a Debian package's files; gets it where the cache has none."""
    folder = cache / package
    if not folder.exists():
        cache.mkdir(parents=True, exist_ok=True)
        for old in cache.glob(f"{package}_*.deb"):
            old.unlink()
        command = ["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", package]
        if subprocess.run(command, cwd=cache, check=False, capture_output=True).returncode != 0:
            subprocess.run(
                ["apt-get", "update", "-q"], check=True, capture_output=True
            )  # lists are old, or none
            subprocess.run(command, cwd=cache, check=True, capture_output=True)
        (archive,) = cache.glob(f"{package}_*.deb")
        fresh = cache / f"{package}.new"
        subprocess.run(["dpkg-deb", "--extract", str(archive), str(fresh)], check=True, capture_output=True)
        fresh.rename(folder)
    return folder


@contextmanager
def running_registry(cache: Path, folder: Path) -> Iterator[str]:
    """Runs an empty registry on a free port of this machine; yields its address, such as localhost:5001."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    (folder / "registry.json").write_text(json.dumps(config), encoding="utf-8")
    program = unpacked("docker-registry", cache) / "usr/bin/docker-registry"
    with (folder / "registry.log").open("wb") as log:
        command = [str(program), "serve", str(folder / "registry.json")]
        with subprocess.Popen(command, stdout=log, stderr=log) as process:
            try:
                _await(f"http://127.0.0.1:{port}/v2/", process)
                yield f"localhost:{port}"
            finally:
                process.terminate()


def _await(url: str, process: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + START_LIMIT
    while True:
        assert process.poll() is None, "the registry has ended, see registry.log"
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310  # our own http URL
                return
        except OSError:
            assert time.monotonic() < deadline, "the registry does not answer"
        time.sleep(0.05)
