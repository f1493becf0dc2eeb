# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The folders of plugins/ are layers: imports point downwards only, at a file's top and in functions."""

from __future__ import annotations

import ast
import sys
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]
PLUGINS = ROOT / "plugins"
COLLECTION = "ansible_collections.jobpods.controller"
SUPERVISOR = PLUGINS / "module_utils/pod/supervisor.py"

FAILURES = "module_utils/failures"
CLUSTER, POD, CONTROLLER, JOB, REPORT, VERBS = (
    f"module_utils/{name}" for name in ("cluster", "pod", "controller", "job", "report", "verbs")
)
BELOW_PLUGINS = {FAILURES, CLUSTER, POD, CONTROLLER, JOB, REPORT, VERBS}

MAY_IMPORT = {
    FAILURES: set[str](),
    CLUSTER: {FAILURES},
    POD: {FAILURES, CLUSTER},
    CONTROLLER: {FAILURES, CLUSTER},
    JOB: {FAILURES, CLUSTER, POD, CONTROLLER},
    REPORT: {FAILURES, JOB},
    VERBS: {FAILURES, CLUSTER, POD, CONTROLLER, JOB, REPORT},
    "modules": BELOW_PLUGINS,
    "plugin_utils": BELOW_PLUGINS,
    "action": BELOW_PLUGINS | {"plugin_utils"},
    "inventory": BELOW_PLUGINS | {"plugin_utils"},
    "lookup": BELOW_PLUGINS | {"plugin_utils"},
    "doc_fragments": set[str](),
}
"""The layers, and the other layers of the collection that each may import from."""


def layer_of(path: PurePosixPath) -> str:
    """The layer of a file or module below plugins/; fails for one that is in none."""
    for layer in MAY_IMPORT:
        if path.with_suffix("").is_relative_to(layer):
            return layer
    raise AssertionError(f"plugins/{path} is in no layer of MAY_IMPORT")


def imported_names(source: str) -> set[str]:
    """The absolute names of all modules that the source may import, also those it imports from a package."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"line {node.lineno}: a relative import"
            names.update(f"{node.module}.{alias.name}" for alias in node.names)
    return names


def faults(source: str, path: PurePosixPath) -> list[str]:
    """What the file at the path, relative to plugins/, imports and may not."""
    layer = layer_of(path)
    found = []
    for name in sorted(imported_names(source)):
        if name == COLLECTION or name.startswith(COLLECTION + "."):
            below = PurePosixPath(*name.removeprefix(COLLECTION).split(".")[1:])
            if not below.is_relative_to("plugins") or len(below.parts) < 3:
                found.append(f"{name} is not a plugin")
                continue
            other = layer_of(below.relative_to("plugins"))
            if other != layer and other not in MAY_IMPORT[layer]:
                found.append(f"{layer} imports {name}")
        elif layer == CLUSTER and name.split(".")[0] == "ansible":
            found.append(f"{layer}, which knows no Ansible, imports {name}")
        elif layer.startswith("module_utils") and name.split(".")[-1] in ("AnsibleModule", "Display"):
            found.append(f"{layer}, which is a library, imports {name}")
    return found


FILES = sorted(PLUGINS.rglob("*.py"))


@pytest.mark.parametrize("path", FILES, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_imports_point_downwards(path: Path) -> None:
    assert faults(path.read_text(), PurePosixPath(path.relative_to(PLUGINS))) == []


@pytest.mark.parametrize(
    ("path", "source"),
    [
        pytest.param("module_utils/cluster/a.py", "import {c}.module_utils.pod.wire", id="upwards"),
        pytest.param("module_utils/pod/a.py", "from {c}.module_utils.controller import store", id="sideways"),
        pytest.param("module_utils/controller/a.py", "from {c}.module_utils import pod", id="a package"),
        pytest.param("module_utils/job/a.py", "from {c}.modules.job_info import main", id="a plugin"),
        pytest.param(
            "module_utils/failures.py", "def f():\n import {c}.module_utils.job.run", id="in a function"
        ),
        pytest.param("module_utils/cluster/a.py", "import ansible.constants", id="Ansible"),
        pytest.param("module_utils/job/a.py", "from ansible.utils.display import Display", id="Display"),
        pytest.param(
            "module_utils/job/a.py", "from ansible_collections.jobpods.controller import x", id="root"
        ),
    ],
)
def test_a_wrong_import_is_found(path: str, source: str) -> None:
    assert len(faults(source.format(c=f"{COLLECTION}.plugins"), PurePosixPath(path))) == 1


def test_a_file_outside_the_layers_is_found() -> None:
    with pytest.raises(AssertionError, match="in no layer"):
        faults("", PurePosixPath("module_utils/shared.py"))


def test_plugin_folders_are_namespace_packages() -> None:
    assert SUPERVISOR in FILES
    assert [path for path in FILES if path.name == "__init__.py"] == []


def test_the_supervisor_needs_the_standard_library_only() -> None:
    packages = {name.split(".")[0] for name in imported_names(SUPERVISOR.read_text())}
    assert packages <= sys.stdlib_module_names


def test_the_supervisor_parses_as_python_3_8() -> None:
    ast.parse(SUPERVISOR.read_text(), feature_version=(3, 8))
    with pytest.raises(SyntaxError):
        ast.parse("match x:\n case 1: pass", feature_version=(3, 8))
