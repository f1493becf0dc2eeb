# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line: what it refuses, and that it touches no folder but a cluster's."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import script

local_cluster = script("local_cluster", "local_cluster")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "cluster"


@pytest.fixture
def call(root: Path, monkeypatch: pytest.MonkeyPatch) -> Call:
    monkeypatch.setattr(os, "geteuid", lambda: 0)
    return Call(root, monkeypatch)


class Call:
    """Calls the program, as root as it thinks, for a cluster that doesn't run.

    Args:
        root: the cluster's folder.
        monkeypatch: sets the command line.
    """

    def __init__(self, root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self._root = root
        self._monkeypatch = monkeypatch

    def __call__(self, *arguments: str) -> int:
        cache = self._root.with_name("cache")
        words = ["local_cluster.py", "--root", str(self._root), "--cache", str(cache), *arguments]
        self._monkeypatch.setattr(sys, "argv", words)
        return int(local_cluster.main())


VERBS = (["packages"], ["build"], ["up"], ["down"], ["status"], ["load", "name", "tar"], ["stop", "etcd"])


@pytest.mark.parametrize("arguments", VERBS, ids=lambda arguments: arguments[0])
def test_without_root_nothing_is_done(
    call: Call,
    root: Path,
    arguments: list[str],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert call(*arguments) == 1
    assert "local_cluster: the local cluster needs root" in capsys.readouterr().err
    assert not root.exists()


def test_programs_are_built_before_a_cluster_starts(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("up") == 1
    assert capsys.readouterr().err.endswith("/cache/kubenode: build first\n")


@pytest.mark.parametrize(
    "arguments", [["up"], ["down"], ["start", "etcd"]], ids=lambda arguments: arguments[0]
)
def test_a_folder_that_is_no_clusters_is_left_alone(
    call: Call, root: Path, arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "bin").mkdir(parents=True)
    (root / "bin" / "tool").touch()
    assert call(*arguments) == 1
    assert f"{root} is not the folder of a local cluster" in capsys.readouterr().err
    assert [path.name for path in root.iterdir()] == ["bin"]
    assert (root / "bin" / "tool").exists()


def test_a_root_that_is_a_file_is_told(call: Call, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    root.touch()
    assert call("up") == 1
    assert f"Not a directory: '{root}'" in capsys.readouterr().err


def test_where_no_cluster_runs_it_is_said(call: Call, root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert call("status") == 1
    assert capsys.readouterr().out == f"no cluster runs in {root}\n"
    for arguments in (["load", "name", "tar"], ["start", "etcd"]):
        assert call(*arguments) == 1
        assert f"no cluster runs in {root}" in capsys.readouterr().err
    assert call("stop", "etcd") == 1
    assert "etcd does not run" in capsys.readouterr().err


@pytest.mark.parametrize(
    "text",
    ["", "{", "[]", '{"subnet": "10.130.0.0/16"}', "\udcff"],
    ids=["empty", "cut", "a list", "half", "not text"],
)
def test_settings_that_make_no_sense_are_none(
    call: Call, root: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    root.mkdir()
    (root / "settings.json").write_bytes(os.fsencode(text))
    assert call("status") == 1
    assert "no cluster runs" in capsys.readouterr().out


@pytest.mark.parametrize("text", ["", "no number", "1", "-1", "4194999"], ids=repr)
def test_a_process_that_is_not_the_clusters_own_is_never_killed(
    call: Call, root: Path, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (root / "pids").mkdir(parents=True)
    (root / "lock").touch()
    (root / "pids" / "etcd").write_text(text)
    assert call("stop", "etcd") == 1
    assert "etcd does not run" in capsys.readouterr().err


def test_an_unknown_component_is_refused(call: Call, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit, match="2"):
        call("stop", "init")
    assert "invalid choice: 'init'" in capsys.readouterr().err
