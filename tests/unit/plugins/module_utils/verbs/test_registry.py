# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Each module has a verb, and each refusal the shape of the module's result."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils import failures
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.answers import OF_JOBS, refused
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import ARGUMENTS
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import FILES, verb

MODULES = sorted(path.stem for path in (Path(failures.__file__).parents[1] / "modules").glob("*.py"))
NO = Failure("InvalidConfiguration", "It is no good", hint="Make it better.")

OF_NO_MODULE = {"adopt_job", "adopt_jobs"}
"""Verbs that job processes and launchers ask for."""


def test_there_is_a_verb_and_an_argument_spec_for_each_module() -> None:
    assert sorted(FILES.keys() - OF_NO_MODULE) == sorted(ARGUMENTS) == MODULES
    assert FILES.keys() >= OF_JOBS


@pytest.mark.parametrize("name", MODULES)
def test_verb_of_each_module_can_be_had(name: str) -> None:
    assert callable(verb(name))


@pytest.mark.parametrize("name", MODULES)
def test_refusal_has_a_job_where_the_module_returns_one(name: str) -> None:
    answer = refused(name, NO, name="a\x1b[31m\nb", controller_node="here")
    assert (answer["changed"], answer["failed"]) == (False, True)
    assert answer["msg"] == "InvalidConfiguration: It is no good. Make it better."
    if name in OF_JOBS:
        job = answer["job"]
        assert (job["id"], job["name"], job["controller_node"]) == (None, "a b", "here")
        assert (job["status"], job["failure"]) == ("error", NO.as_result())
    else:
        assert answer["failure"] == NO.as_result()
        assert "job" not in answer
