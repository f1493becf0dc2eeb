# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Images are valid by the OCI image layout specification, and the same for the same content."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from typing import Any

import pytest
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import script

oci_image = script("local_cluster", "oci_image")

NAME = "localhost/some:latest"


def layer(**files: bytes) -> io.BytesIO:
    """A root file system with these files."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name, content in files.items():
            entry = tarfile.TarInfo(name)
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
    return stream


def written(image: Any) -> dict[str, bytes]:
    """What an image consists of, by name."""
    stream = io.BytesIO()
    image.write(stream)
    stream.seek(0)
    with tarfile.open(fileobj=stream) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}  # type: ignore[union-attr]


def blob(files: dict[str, bytes], descriptor: dict[str, Any]) -> bytes:
    """What a descriptor leads to; fails where it isn't what the descriptor says."""
    algorithm, _colon, digits = descriptor["digest"].partition(":")
    content = files[f"blobs/{algorithm}/{digits}"]
    assert hashlib.new(algorithm, content).hexdigest() == digits
    assert len(content) == descriptor["size"]
    return content


def test_every_digest_is_right_and_everything_is_led_to() -> None:
    root = layer(etc=b"x" * 100_000)
    image = oci_image.Image(NAME, [root], ["/pause"])
    files = written(image)
    assert json.loads(files["oci-layout"]) == {"imageLayoutVersion": "1.0.0"}
    (top,) = json.loads(files["index.json"])["manifests"]
    assert top["digest"] == image.digest
    assert top["annotations"]["io.containerd.image.name"] == NAME
    manifest = json.loads(blob(files, top))
    config = json.loads(blob(files, manifest["config"]))
    (only,) = manifest["layers"]
    assert blob(files, only) == root.getvalue()
    assert config["rootfs"]["diff_ids"] == [only["digest"]]  # it is not compressed
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert len(files) == len({"oci-layout", "index.json", "manifest", "config", "layer"})


def test_the_same_content_gives_the_same_image() -> None:
    one, same = (oci_image.Image(NAME, [layer(etc=b"x")]) for _copy in range(2))
    assert one.digest == same.digest
    assert written(one) == written(same)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: oci_image.Image(NAME, [layer(etc=b"y")]), id="layer"),
        pytest.param(lambda: oci_image.Image(NAME, [layer(etc=b"x")], ["/sh"]), id="entrypoint"),
    ],
)
def test_other_content_gives_another_image(other: Any) -> None:
    assert other().digest != oci_image.Image(NAME, [layer(etc=b"x")]).digest


def test_the_position_in_the_layers_stream_does_not_matter() -> None:
    stream = layer(etc=b"x")
    stream.seek(7)
    assert oci_image.Image(NAME, [stream]).digest == oci_image.Image(NAME, [layer(etc=b"x")]).digest


def test_a_plain_entry_says_nothing_of_who_made_it_and_when() -> None:
    entry = tarfile.TarInfo("pause")
    entry.uid, entry.gid, entry.mtime, entry.uname, entry.mode = 1000, 1000, 1_700_000_000, "somebody", 0o640
    plain = oci_image.plain(entry)
    assert (plain.uid, plain.gid, plain.mtime, plain.uname, plain.mode) == (0, 0, 0, "", 0o755)


def test_layers_lie_over_each_other_in_their_order() -> None:
    streams = [layer(etc=b"x" * 2_000_000), layer(opt=b"y"), layer(etc=b"z")]
    files = written(oci_image.Image(NAME, streams))
    (top,) = json.loads(files["index.json"])["manifests"]
    manifest = json.loads(blob(files, top))
    assert [blob(files, each) for each in manifest["layers"]] == [each.getvalue() for each in streams]
    config = json.loads(blob(files, manifest["config"]))
    assert config["rootfs"]["diff_ids"] == [each["digest"] for each in manifest["layers"]]
