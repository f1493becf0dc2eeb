# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCI image, made of root file systems without any container tool."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from dataclasses import dataclass
from typing import IO, Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a container of the image looks for programs."""


class Image:
    """An OCI image, see the OCI image layout specification.

    Args:
        name: what it will be called in the cluster.
        layers: uncompressed tars: the root file system, and what later ones lay over it.
        entrypoint: its program; without one, the pod says what runs.
    """

    def __init__(self, name: str, layers: Sequence[IO[bytes]], entrypoint: Sequence[str] = ()) -> None:
        self._layers = [_Layer.of(stream) for stream in layers]
        config: dict[str, Any] = {"Env": [f"PATH={PATH}"], "WorkingDir": "/"}
        if entrypoint:
            config["Entrypoint"] = list(entrypoint)
        self._config = compact(
            {
                "architecture": _ARCHITECTURES.get(os.uname().machine, os.uname().machine),
                "os": "linux",
                "config": config,
                "rootfs": {"type": "layers", "diff_ids": [layer.digest for layer in self._layers]},
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
                        "digest": layer.digest,
                        "size": layer.size,
                    }
                    for layer in self._layers
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
                _blob(_sha256(self._config)): self._config,
                _blob(_sha256(self._manifest)): self._manifest,
            }
            for name, content in small.items():
                entry = tarfile.TarInfo(name)
                entry.size = len(content)
                tar.addfile(entry, io.BytesIO(content))
            for layer in self._layers:
                entry = tarfile.TarInfo(_blob(layer.digest))
                entry.size = layer.size
                layer.stream.seek(0)
                tar.addfile(entry, layer.stream)


@dataclass(frozen=True)
class _Layer:
    stream: IO[bytes]
    digest: str
    size: int

    @classmethod
    def of(cls, stream: IO[bytes]) -> _Layer:
        stream.seek(0)
        hashed, size = hashlib.sha256(), 0
        for chunk in iter(lambda: stream.read(1 << 20), b""):
            hashed.update(chunk)
            size += len(chunk)
        return cls(stream, f"sha256:{hashed.hexdigest()}", size)


_ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


def _descriptor(media_type: str, content: bytes) -> dict[str, Any]:
    return {"mediaType": media_type, "digest": _sha256(content), "size": len(content)}


def _sha256(content: bytes) -> str:
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
    """An entry that says nothing of who made it and when, so that the same content gives the same image."""
    entry.uid = entry.gid = entry.mtime = 0
    entry.uname = entry.gname = ""
    entry.mode = 0o755
    return entry


def compact(value: object) -> bytes:
    """A value as JSON, always the same for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
