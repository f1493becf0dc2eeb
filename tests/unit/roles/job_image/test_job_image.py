# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The job image's root file system: what builds it, when, and what is said where it can't be."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import make_program, script

job_image = script("job_image", "job_image")


class Builders:
    """A pip and an mmdebstrap that build a file of text.

    Args:
        folder: where they are.

    Attributes:
        calls: a line for each call.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.calls = folder / "calls"
        self.pip_ends_with(0)
        self.mmdebstrap_ends_with(0)

    def pip_ends_with(self, status: int) -> None:
        """What the exit status of pip will be."""
        make_program(self.folder / "python", f'echo "$*" >> "{self.calls}"', f"exit {status}")

    def mmdebstrap_ends_with(self, status: int) -> None:
        """What the exit status of mmdebstrap will be; it leaves a half-written file where it isn't 0."""
        lines = (
            f'echo "mmdebstrap $*" >> "{self.calls}"',
            "for last; do :; done",
            f'echo {"root" if status == 0 else "half"} > "$last"',
            f"exit {status}",
        )
        make_program(self.folder / "mmdebstrap", *lines)

    @property
    def count(self) -> int:
        """How many calls there were."""
        return len(self.calls.read_text(encoding="utf-8").splitlines()) if self.calls.exists() else 0


@pytest.fixture
def builders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Builders:
    folder = tmp_path / "bin"
    monkeypatch.setenv("PATH", f"{folder}:/usr/bin:/bin")
    monkeypatch.setattr(sys, "executable", str(folder / "python"))
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Builders(folder)


def call(monkeypatch: pytest.MonkeyPatch, target: Path) -> int:
    """The program's exit status."""
    monkeypatch.setattr(sys, "argv", ["job_image.py", str(target)])
    return int(job_image.main())


def test_what_is_up_to_date_is_not_built_again(tmp_path: Path, builders: Builders) -> None:
    target = tmp_path / "image" / "job.tar"
    job_image.build(target)
    assert target.read_text() == "root\n"
    assert builders.count == 2
    job_image.build(target)
    assert builders.count == 2


@pytest.mark.parametrize("stamp", ["", "of another version"], ids=["empty", "another"])
def test_another_version_is_built_again(tmp_path: Path, builders: Builders, stamp: str) -> None:
    target = tmp_path / "job.tar"
    job_image.build(target)
    (tmp_path / "job.stamp").write_text(stamp)
    target.write_text("old")
    job_image.build(target)
    assert target.read_text() == "root\n"
    assert builders.count == 4


@pytest.mark.parametrize("missing", ["job.tar", "job.stamp"])
def test_what_was_removed_is_built_again(tmp_path: Path, builders: Builders, missing: str) -> None:
    target = tmp_path / "job.tar"
    job_image.build(target)
    (tmp_path / missing).unlink()
    job_image.build(target)
    assert builders.count == 4


@pytest.mark.parametrize("failing", ["pip", "mmdebstrap"])
def test_a_failed_build_is_told_and_counts_for_nothing(
    tmp_path: Path,
    builders: Builders,
    failing: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    target = tmp_path / "job.tar"
    getattr(builders, f"{failing}_ends_with")(1)
    assert call(monkeypatch, target) == 1
    error = capsys.readouterr().err.splitlines()[-1]
    assert error.startswith("job_image: ")
    assert failing in error
    assert error.endswith("ended with 1, see above")
    assert not target.exists()
    getattr(builders, f"{failing}_ends_with")(0)
    assert call(monkeypatch, target) == 0
    assert target.read_text() == "root\n"


def test_without_root_nothing_is_built(
    tmp_path: Path, builders: Builders, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert call(monkeypatch, tmp_path / "job.tar") == 1
    assert "job_image: building the image needs root" in capsys.readouterr().err
    assert builders.count == 0


def test_without_mmdebstrap_its_package_is_named(
    tmp_path: Path, builders: Builders, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path / "empty"))
    assert call(monkeypatch, tmp_path / "job.tar") == 1
    assert "install the Debian package mmdebstrap" in capsys.readouterr().err
    assert builders.count == 0


def test_a_machine_without_wheels_is_named(
    tmp_path: Path, builders: Builders, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(os, "uname", lambda: SimpleNamespace(machine="riscv64"))
    assert call(monkeypatch, tmp_path / "job.tar") == 1
    assert "no image can be built on riscv64, only on x86_64 and aarch64" in capsys.readouterr().err
    assert builders.count == 0


@pytest.mark.parametrize("architecture", job_image.PLATFORMS)
def test_pip_gets_wheels_for_the_images_python(tmp_path: Path, architecture: str) -> None:
    command = job_image.pip_command(tmp_path / "wheels", job_image.PLATFORMS[architecture])
    options = list(zip(command, command[1:], strict=False))
    assert command[:4] == [sys.executable, "-m", "pip", "download"]
    assert "--only-binary=:all:" in command
    assert ("--python-version", "3.11") in options
    assert [abi for flag, abi in options if flag == "--abi"] == ["cp311", "abi3", "none"]
    platforms = [platform for flag, platform in options if flag == "--platform"]
    assert platforms[-1] == "any"
    assert all(platform.endswith(architecture) for platform in platforms[:-1])
    assert command[-2:] == list(job_image.ANSIBLE)


def test_mmdebstrap_installs_what_jobs_need(tmp_path: Path) -> None:
    command = job_image.debian_command(tmp_path / "rootfs.tar", tmp_path / "hook")
    assert command[-2:] == ["bookworm", str(tmp_path / "rootfs.tar")]
    (packages,) = (word.partition("=")[2].split(",") for word in command if word.startswith("--include="))
    assert {"git", "openssh-client", "openssh-server", "python3", "sshpass"} <= set(packages)
    assert f"--customize-hook={tmp_path / 'hook'}" in command


def test_the_hook_puts_ansible_into_the_new_root_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wheels, root, hook = tmp_path / "the wheels", tmp_path / "new root", tmp_path / "hook"
    for folder in ("opt", "usr/local/bin", "etc/ssh", "root/.cache"):
        (root / folder).mkdir(parents=True)
    wheels.mkdir()
    (wheels / "ansible_core.whl").touch()
    (root / "etc/ssh/ssh_host_ed25519_key").touch()
    calls = tmp_path / "calls"
    make_program(tmp_path / "bin" / "chroot", f'echo "$*" >> "{calls}"')
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:/usr/bin:/bin")
    job_image.write_hook(hook, wheels)
    subprocess.run([hook, root], check=True)
    venv, pip, compiled = calls.read_text().splitlines()
    assert venv == f"{root} python3 -m venv /opt/ansible"
    assert pip.startswith(f"{root} env PIP_CONFIG_FILE=/dev/null /opt/ansible/bin/pip install")
    assert pip.endswith(" ".join(job_image.ANSIBLE))
    assert " -m compileall " in compiled and "--invalidation-mode unchecked-hash" in compiled
    link = root / "usr/local/bin/ansible-runner"
    assert str(link.readlink()) == "/opt/ansible/bin/ansible-runner"
    left = sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())
    assert left == []  # neither the wheels nor a host key that would be everybody's
    assert (root / "runner").stat().st_mode & 0o777 == 0o775
