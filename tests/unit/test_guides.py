# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each guide is listed, its examples can be read, and what the tests on the cluster don't run says why."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.grants import access_objects
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import default_pod_spec
from ansible_collections.jobpods.controller.tests.doc_blocks import GUIDES, READMES, ROOT, Block, blocks

DOCSITE = ROOT / "docs" / "docsite"
DOCUMENTS = [*GUIDES, *READMES]
BLOCKS = [block for path in DOCUMENTS for block in blocks(path)]


def ids(blocks: list[Block]) -> list[str]:
    return [block.place for block in blocks]


def listed() -> list[str]:
    """The guides in extra-docs.yml, in their order."""
    index = yaml.safe_load((DOCSITE / "extra-docs.yml").read_text(encoding="utf-8"))
    return [name for section in index["sections"] for name in section["toctree"]]


def test_each_guide_is_in_both_tables_of_contents() -> None:
    assert sorted(listed()) == [path.stem for path in GUIDES]
    lines = (DOCSITE / "index.rst").read_text(encoding="utf-8").splitlines()
    prefix = "    collections/jobpods/controller/docsite/"
    assert [line.removeprefix(prefix) for line in lines if line.startswith(prefix)] == listed()


@pytest.mark.parametrize("path", GUIDES, ids=lambda path: path.stem)
def test_a_guide_has_the_label_of_its_name(path: Path) -> None:
    assert f".. _ansible_collections.jobpods.controller.docsite.{path.stem}:\n" in path.read_text(
        encoding="utf-8"
    )


@pytest.mark.parametrize("block", BLOCKS, ids=ids(BLOCKS))
def test_an_example_can_be_read(block: Block) -> None:
    assert block.language in ("console", "json", "text", "yaml")
    if block.language == "yaml":
        assert yaml.safe_load(block.text)
    elif block.language == "json":
        assert json.loads(block.text)
    elif block.language == "console" and not block.not_run:
        assert block.commands


@pytest.mark.parametrize("block", BLOCKS, ids=ids(BLOCKS))
def test_an_example_is_run_or_says_why_not(block: Block) -> None:
    if block.not_run or block.language == "console":
        return
    assert block.language == "yaml"
    content = yaml.safe_load(block.text)
    if not block.file:
        assert isinstance(content, list), "these are no tasks: give the block a file's name, or `not run`"
        assert not any("hosts" in each for each in content), "a playbook has a file's name"
    elif isinstance(content, list) and "hosts" in content[0]:
        others = [each.text for each in blocks(block.path) if each != block]
        assert any(block.file.rpartition("/")[2] in text for text in others), "nothing runs this playbook"


def file_of_a_guide(name: str) -> Any:
    """What the guides show in a file, as YAML."""
    (block,) = (block for block in BLOCKS if block.file == name)
    return yaml.safe_load(block.text)


def test_the_default_pod_is_the_one_that_is_shown() -> None:
    assert file_of_a_guide("default-pod.yml") == default_pod_spec()


def test_the_rights_of_the_manifest_are_those_that_the_module_gives() -> None:
    shown = file_of_a_guide("service-account.yml")["items"]
    given = access_objects("ansible-jobs", "ansible", registry_secrets=False)
    # Labels say that the module may change and delete what it made; somebody else has made these.
    metadata = {"name": "ansible", "namespace": "ansible-jobs"}
    assert shown == [{**each, "metadata": metadata} for each in given]
