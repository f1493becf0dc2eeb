# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A real container registry, Debian's docker-registry: unpacked, not installed, so that no service starts."""

from __future__ import annotations

import base64
import io
import json
import socket
import subprocess
import tarfile
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ansible_collections.jobpods.controller.tests.unit.roles.scripts import script

START_LIMIT = 30.0
USER, PASSWORD = "puller", "r3gistry-s3cret"  # noqa: S105 - of a registry that only the tests have
HTPASSWD = f"{USER}:$2b$05$jobpodsjobpodsjobpodsuvv.YFjG32Ao4UYx/./GznmoLlrM86/a\n"
"""Of this login, as `htpasswd -B` writes it."""
MANIFEST = "application/vnd.oci.image.manifest.v1+json"


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
def running_registry(cache: Path, folder: Path, *, private: bool = False) -> Iterator[str]:
    """Runs an empty registry on a free port of this machine; yields its address, such as localhost:5001.

    Nodes ask it without TLS, since that is what containerd does with localhost. A private one wants the login
    of `USER` with `PASSWORD` for everything.
    """
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    config = {
        "version": 0.1,
        "log": {"level": "error"},
        "storage": {"filesystem": {"rootdirectory": str(folder / "registry")}},
        "http": {"addr": f"127.0.0.1:{port}"},
    }
    if private:
        (folder / "htpasswd").write_text(HTPASSWD, encoding="ascii")
        config["auth"] = {"htpasswd": {"realm": "the tests", "path": str(folder / "htpasswd")}}
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
        except urllib.error.HTTPError as error:
            with error:
                assert error.code == 401
            return
        except OSError:
            assert time.monotonic() < deadline, "the registry does not answer"
        time.sleep(0.05)


def push_small_image(registry: str, name: str) -> str:
    """Puts an image with one empty file into a private registry; returns its reference."""
    layer, stream = io.BytesIO(), io.BytesIO()
    with tarfile.open(fileobj=layer, mode="w") as rootfs:
        rootfs.addfile(tarfile.TarInfo("an-empty-file"))
    image = script("local_cluster", "oci_image").Image(name, [layer])
    image.write(stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as layout:
        blobs = {
            entry.name.rpartition("/")[2]: layout.extractfile(entry).read()  # type: ignore[union-attr]
            for entry in layout
            if entry.name.startswith("blobs/")
        }
    repository, _colon, tag = name.partition(":")
    base = f"http://{registry}/v2/{repository}"
    manifest = blobs.pop(image.digest.partition(":")[2])
    for digest, blob in blobs.items():
        place = _ask("POST", f"{base}/blobs/uploads/")
        mark = "&" if "?" in place else "?"
        _ask("PUT", f"{place}{mark}digest=sha256:{digest}", blob, "application/octet-stream")
    _ask("PUT", f"{base}/manifests/{tag}", manifest, MANIFEST)
    return f"{registry}/{name}"


def _ask(method: str, url: str, body: bytes = b"", content_type: str = "") -> str:
    """Asks a private registry; returns where the answer says that it goes on."""
    login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    headers = {"Authorization": f"Basic {login}", **({"Content-Type": content_type} if content_type else {})}
    request = urllib.request.Request(url, body, headers, method=method)  # noqa: S310  # our own http URL
    with urllib.request.urlopen(request, timeout=30) as answer:  # noqa: S310
        place: str = answer.headers.get("Location", "")
    return urllib.parse.urljoin(url, place)
