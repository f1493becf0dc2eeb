# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An OCI image of one layer, made of a root file system without any container tool."""

from __future__ import annotations

import hashlib
import io
import json
import os
import tarfile
from collections.abc import Sequence
from typing import IO, Any

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Where a container of the image looks for programs."""


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


def compact(value: object) -> bytes:
    """A value as JSON, always the same for the same value."""
    return json.dumps(value, separators=(",", ":"), sort_keys=True).encode()
