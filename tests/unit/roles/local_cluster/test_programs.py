# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The programs are built when their sources changed, by a Go that is new enough."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.tests.unit.roles.scripts import ROLES, make_program, script

programs = script("local_cluster", "programs")
machine = script("local_cluster", "machine")


class Go:
    """A go that builds files of text.

    Attributes:
        folder: where it is.
        built: a line for each program that was built.
    """

    def __init__(self, folder: Path, version: str = "go1.24.0") -> None:
        self.folder = folder
        self.built = folder / "built"
        make_program(
            folder / "go",
            '[ "$GOTOOLCHAIN" = local ] || exit 9',
            f'[ "$1" = env ] && {{ echo {version}; exit; }}',
            'while [ "$1" != -o ]; do shift; done',
            f'. "{folder}/before"',
            f'echo program > "$2" && echo "$3" >> "{self.built}"',
        )
        self.does_before()

    def does_before(self, *lines: str) -> None:
        """What it does before it builds."""
        (self.folder / "before").write_text("\n".join(lines) + "\n", encoding="utf-8")

    @property
    def builds(self) -> int:
        """How many programs it has built."""
        return len(self.built.read_text(encoding="utf-8").splitlines()) if self.built.exists() else 0


@pytest.fixture(autouse=True)
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The sources that are built; no Go of the machine's own is found."""
    folder = tmp_path / "sources"
    (folder / "pause").mkdir(parents=True)
    (folder / "main.go").write_text("package main\n")
    monkeypatch.setattr(programs, "SOURCES", folder)
    monkeypatch.setattr(programs, "GO_FOLDER", str(tmp_path / "usr-local-go"))
    monkeypatch.setenv("PATH", f"{tmp_path / 'go'}:/usr/bin:/bin")
    monkeypatch.setattr(machine, "PATH", "")
    return folder


@pytest.fixture
def go(tmp_path: Path) -> Go:
    return Go(tmp_path / "go")


def test_what_is_built_is_built_once(tmp_path: Path, go: Go) -> None:
    built = programs.Programs(tmp_path / "cache")
    assert built.stamp() == ""
    assert built.build()
    assert built.stamp()
    assert not built.build()
    assert go.built.read_text().splitlines() == [".", "./pause"]
    assert built.kubenode.exists()
    assert built.pause.exists()


def test_other_sources_are_built_again(tmp_path: Path, go: Go, sources: Path) -> None:
    built = programs.Programs(tmp_path / "cache")
    built.build()
    before = built.stamp()
    (sources / "pause" / "main.go").write_text("package main\n\nfunc main() {}\n")
    assert built.build()
    assert built.stamp() != before
    assert go.builds == 4


def test_another_version_is_built_again(tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    built = programs.Programs(tmp_path / "cache")
    built.build()
    monkeypatch.setattr(programs, "VERSION", "1.99.0")
    assert built.build()
    assert go.builds == 4


@pytest.mark.parametrize("missing", ["kubenode", "pause", "kubenode.stamp"])
def test_what_was_removed_is_built_again(tmp_path: Path, go: Go, missing: str) -> None:
    built = programs.Programs(tmp_path / "cache")
    built.build()
    (tmp_path / "cache" / missing).unlink()
    assert built.stamp() == ""
    assert built.build()
    assert go.builds == 4


def test_a_failed_build_is_told_and_counts_for_nothing(tmp_path: Path, go: Go, sources: Path) -> None:
    built = programs.Programs(tmp_path / "cache")
    built.build()
    (sources / "main.go").write_text("package broken\n")
    go.does_before(
        "echo '# jobpods.invalid/kubenode' >&2", "echo './main.go:1:1: syntax error' >&2", "exit 1"
    )
    with pytest.raises(machine.ClusterError, match=r"(?s)go build ended with 1:.*main\.go:1:1: syntax error"):
        built.build()
    assert built.stamp() == ""
    go.does_before()
    assert built.build()


def test_a_long_build_says_how_far_it_is(tmp_path: Path, go: Go, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, said = tmp_path / "seen", []

    def say(text: str) -> None:
        said.append(text)
        if "1 modules downloaded, 2 packages compiled" in text:
            seen.touch()

    monkeypatch.setattr(programs, "say", say)
    monkeypatch.setattr(programs, "SILENCE", 0.01)
    go.does_before(
        "echo 'go: downloading k8s.io/api v0.34.4' >&2; echo errors >&2; echo k8s.io/api/core/v1 >&2",
        f"tries=0; until [ -e '{seen}' ] || [ $tries -ge 3000 ]; do tries=$((tries + 1)); sleep 0.01; done",
    )
    programs.Programs(tmp_path / "cache").build()
    assert seen.exists()
    assert said[-1].startswith("built pause in ")


def test_without_go_it_is_said() -> None:
    with pytest.raises(machine.ClusterError, match=r"Go is needed .*1\.24 or newer; there is no go in PATH"):
        programs.find_go()


@pytest.mark.parametrize("version", ["go1.19.8", "go1.23.12", "go0.99", "something"])
def test_a_go_that_is_too_old_is_named(tmp_path: Path, version: str) -> None:
    old = Go(tmp_path / "go", version)
    with pytest.raises(
        machine.ClusterError, match=rf"Go 1\.24 or newer is needed.*{old.folder}/go is {version}"
    ):
        programs.find_go()


@pytest.mark.parametrize("version", ["go1.24", "go1.24.13", "go1.25rc1", "go2.0", "devel go1.26-0a1b2c3"])
def test_a_go_that_is_new_enough_is_taken(tmp_path: Path, version: str) -> None:
    new = Go(tmp_path / "go", version)
    assert programs.find_go() == str(new.folder / "go")


def test_gos_own_installation_is_taken_where_the_first_one_is_too_old(tmp_path: Path) -> None:
    Go(tmp_path / "go", "go1.19.8")
    newer = Go(tmp_path / "usr-local-go")
    assert programs.find_go() == str(newer.folder / "go")


def test_the_version_is_the_one_of_the_modules() -> None:
    module = ROLES / "local_cluster" / "files" / "kubenode" / "go.mod"
    assert f"k8s.io/kubernetes v{programs.VERSION}\n" in module.read_text()
