# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Builds the root file system of the job image: Debian with Python, SSH, git and Ansible.

The image is for the demo and the tests; a job takes any image that has python3 and ansible-runner. Debian's
part comes by mmdebstrap, ansible-core and ansible-runner by pip into a virtual environment that the image's
own Python makes.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

SUITE = "bookworm"
PYTHON = "3.11"
"""The suite's Python, for which pip gets the packages."""
PACKAGES = (
    "ca-certificates",
    "git",
    "openssh-client",
    "openssh-server",
    "python3",
    "python3-venv",
    "sshpass",
)
ANSIBLE = ("ansible-core~=2.19.0", "ansible-runner~=2.4")
COMMANDS = ("ansible", "ansible-galaxy", "ansible-inventory", "ansible-playbook", "ansible-runner")
UNREAD = ("doc", "doc-base", "info", "lintian", "locale", "man")
"""Folders of /usr/share that nothing in a pod reads."""
PLATFORMS = {
    "x86_64": (
        "manylinux_2_34_x86_64",
        "manylinux_2_28_x86_64",
        "manylinux2014_x86_64",
        "manylinux_2_17_x86_64",
    ),
    "aarch64": (
        "manylinux_2_34_aarch64",
        "manylinux_2_28_aarch64",
        "manylinux2014_aarch64",
        "manylinux_2_17_aarch64",
    ),
}


class ImageError(Exception):
    """Something that the user has to know, in one message."""


def main() -> int:
    """Builds the file system that the command line names; returns the exit status."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument(
        "target", type=Path, help="the tar file to write; it stays as it is while it is up to date"
    )
    try:
        build(parser.parse_args().target.absolute())
    except (ImageError, OSError) as exc:
        print(f"job_image: {exc}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("job_image: interrupted", file=sys.stderr)
        return 128 + signal.SIGINT
    return 0


def build(target: Path) -> None:
    """Builds the file system, unless the one that is there was built by this very file."""
    stamp = target.with_suffix(".stamp")
    wanted = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
    if target.exists() and stamp.exists() and stamp.read_text(encoding="ascii") == wanted:
        return
    if os.geteuid() != 0:
        raise ImageError("building the image needs root: it installs Debian packages into a folder")
    if shutil.which("mmdebstrap") is None:
        raise ImageError("there is no mmdebstrap; install the Debian package mmdebstrap")
    platforms = PLATFORMS.get(os.uname().machine)
    if platforms is None:
        raise ImageError(f"no image can be built on {os.uname().machine}, only on {' and '.join(PLATFORMS)}")
    began = time.monotonic()
    target.parent.mkdir(parents=True, exist_ok=True)
    stamp.unlink(missing_ok=True)
    with tempfile.TemporaryDirectory(prefix="jobpods-image-") as folder:
        wheels = Path(folder) / "wheels"
        print("job_image: downloading ansible-core and ansible-runner", file=sys.stderr, flush=True)
        run(pip_command(wheels, platforms))
        fresh, hook = Path(folder) / "rootfs.tar", Path(folder) / "install-ansible"
        write_hook(hook, wheels)
        print(f"job_image: installing Debian {SUITE}; takes a minute or two", file=sys.stderr, flush=True)
        run(debian_command(fresh, hook))
        shutil.move(fresh, target)
    stamp.write_text(wanted, encoding="ascii")
    size = target.stat().st_size / 1e6
    print(
        f"job_image: built {target.name} ({size:.0f} MB) in {time.monotonic() - began:.0f} s", file=sys.stderr
    )


def pip_command(wheels: Path, platforms: tuple[str, ...]) -> list[str]:
    """The command that gets the Python packages for the image, whatever Python this machine has."""
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--dest", str(wheels)]
    command += ["--only-binary=:all:", "--python-version", PYTHON, "--implementation", "cp"]
    for abi in (f"cp{PYTHON.replace('.', '')}", "abi3", "none"):
        command += ["--abi", abi]
    for platform in (*platforms, "any"):
        command += ["--platform", platform]
    return [*command, *ANSIBLE]


def debian_command(target: Path, hook: Path) -> list[str]:
    """The mmdebstrap command; the hook runs with the new root's folder as its argument."""
    command = ["mmdebstrap", "--variant=minbase", "--mode=root", f"--include={','.join(PACKAGES)}"]
    command += [f"--dpkgopt=path-exclude=/usr/share/{name}/*" for name in UNREAD]
    return [*command, f"--customize-hook={hook}", SUITE, str(target)]


def write_hook(path: Path, wheels: Path) -> None:
    """Writes the program that puts Ansible into the new root."""
    lines = [
        "#!/bin/sh",
        "set -e",
        f'cp -r "{wheels}" "$1/opt/wheels"',
        'chroot "$1" python3 -m venv /opt/ansible',
        'chroot "$1" env PIP_CONFIG_FILE=/dev/null /opt/ansible/bin/pip install --quiet --no-index \\',
        f"    --no-compile --find-links /opt/wheels {' '.join(ANSIBLE)}",
        "# mmdebstrap sets the files' times back: what Python has compiled would be out of date by them, and",
        "# would be compiled again in every pod.",
        'chroot "$1" /opt/ansible/bin/python3 -m compileall -qf --invalidation-mode unchecked-hash \\',
        "    /opt/ansible/lib",
        f'for name in {" ".join(COMMANDS)}; do ln -s "/opt/ansible/bin/$name" "$1/usr/local/bin/"; done',
        "# What AWX's execution environments have: a folder for any user of group 0.",
        'install -d -m 0775 -o 0 -g 0 "$1/runner"',
        "# Keys of the image would be everybody's: sshd's are made in each pod that runs it.",
        'cd "$1" && rm -rf opt/wheels etc/ssh/ssh_host_* var/cache/apt/* var/lib/apt/lists/* root/.cache',
    ]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    path.chmod(0o755)


def run(command: list[str]) -> None:
    """Runs a program, whose words go to the terminal."""
    environ = {key: value for key, value in os.environ.items() if not key.startswith(("PIP_NO", "PYTHON"))}
    with subprocess.Popen(command, env=environ, stdin=subprocess.DEVNULL) as process:
        try:
            process.wait()
        except KeyboardInterrupt:
            process.wait()  # it was interrupted too, and removes what it has made
            raise
    if process.returncode != 0:
        raise ImageError(f"{' '.join(command[:3])} ended with {process.returncode}, see above")


if __name__ == "__main__":
    sys.exit(main())
