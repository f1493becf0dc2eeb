# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Makes the layers that turn the job image into an execution environment with this collection in it.

As ansible-builder does: the collection is installed from its tarball, and ansible-builder itself says what
Python packages it asks for. No container tool is needed, since a layer only adds files.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
from pathlib import Path

from ansible_collections.jobpods.controller.tests.unit.roles.scripts import script

ROOT = Path(__file__).resolve().parents[1]
COLLECTIONS = "usr/share/ansible/collections"
"""Where ansible-builder installs collections, and Ansible looks for them."""
PACKAGES = "opt/jobpods"
"""Python packages, in a folder of their own, so that the layer replaces nothing of the image's."""
BIN = Path(sys.executable).parent


def main() -> int:
    """Makes the layers in the folder that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path, help="gets ee-packages.tar and ee-collection.tar")
    folder: Path = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="jobpods-ee-") as scratch:
        root = Path(scratch)
        collection = install_collection(root)
        write_layer(folder / "ee-collection.tar", root, COLLECTIONS)
        make_packages(folder / "ee-packages.tar", python_packages(collection))
    return 0


def install_collection(root: Path) -> Path:
    """Installs the tarball of this checkout below a new root; returns the folder of collections."""
    run(str(BIN / "ansible-galaxy"), "collection", "build", "--output-path", str(root), str(ROOT))
    (tarball,) = root.glob("jobpods-controller-*.tar.gz")
    target = root / COLLECTIONS
    # By force, since the checkout itself counts as installed.
    install = (
        "collection",
        "install",
        "--force",
        "--offline",
        "--no-deps",
        "--collections-path",
        str(target),
    )
    run(str(BIN / "ansible-galaxy"), *install, str(tarball))
    return target


def python_packages(collections: Path) -> list[str]:
    """What an execution environment gets for these collections; ansible-core it has already."""
    listed = collections.parent / "packages.txt"
    command = (str(BIN / "ansible-builder"), "introspect", "--sanitize", "--write-pip", str(listed))
    run(*command, str(collections))
    lines = (line.partition("#")[0].strip() for line in listed.read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def make_packages(target: Path, packages: list[str]) -> None:
    """Makes the layer with the Python packages, unless it is there, made by this file of the same list."""
    stamp = target.with_suffix(".stamp")
    wanted = hashlib.sha256(Path(__file__).read_bytes() + "\n".join(packages).encode()).hexdigest()
    if target.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    stamp.unlink(missing_ok=True)
    image = script("job_image", "job_image")
    print("execution_environment: installing Python packages", file=sys.stderr, flush=True)
    with tempfile.TemporaryDirectory(prefix="jobpods-ee-") as scratch:
        root = Path(scratch)
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--target", str(root / PACKAGES)]
        command += ["--only-binary=:all:", "--python-version", image.PYTHON, "--implementation", "cp"]
        for abi in (f"cp{image.PYTHON.replace('.', '')}", "abi3", "none"):
            command += ["--abi", abi]
        for platform in (*image.PLATFORMS[os.uname().machine], "any"):
            command += ["--platform", platform]
        run(*command, *packages)
        site = root / "opt/ansible/lib" / f"python{image.PYTHON}" / "site-packages"
        site.mkdir(parents=True)
        (site / "jobpods.pth").write_text(f"/{PACKAGES}\n", encoding="ascii")
        write_layer(target, root, "opt", same_times=False)
    stamp.write_text(wanted, encoding="ascii")


def write_layer(target: Path, root: Path, name: str, *, same_times: bool = True) -> None:
    """Writes a folder of a root as a layer that anybody may read; `same_times` makes equal ones the same."""

    def plain(entry: tarfile.TarInfo) -> tarfile.TarInfo:
        entry.uid = entry.gid = 0
        entry.uname = entry.gname = ""
        entry.mode = 0o755 if entry.isdir() or entry.mode & 0o100 else 0o644
        if same_times:  # compiled files know the times of their sources
            entry.mtime = 0
        return entry

    fresh = target.with_suffix(".new")
    with tarfile.open(fresh, "w") as layer:
        layer.add(root / name, name, filter=plain)
    shutil.move(fresh, target)


def run(*command: str) -> None:
    """Runs a program, whose words are shown only where it fails."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_NO", "PYTHON"))}
    done = subprocess.run(command, env=environ, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        sys.exit(f"execution_environment: {Path(command[0]).name} failed:\n{done.stdout}{done.stderr}")


if __name__ == "__main__":
    sys.exit(main())
