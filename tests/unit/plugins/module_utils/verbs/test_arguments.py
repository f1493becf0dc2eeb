# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Options may have the names that the modules of awx.awx have for them; one name is enough."""

from __future__ import annotations

from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated


@pytest.mark.parametrize(
    ("module", "given", "ours"),
    [
        ("project_update", {"name": "Web"}, {"project": "Web"}),
        (
            "inventory_update",
            {"name": "cloud", "inventory": "Lab"},
            {"inventory_source": "cloud", "inventory": "Lab"},
        ),
        ("workflow_job", {"name": "Deploy"}, {"workflow_job_template": "Deploy"}),
        ("workflow_job", {"workflow_template": "Deploy"}, {"workflow_job_template": "Deploy"}),
        ("container_group_job", {"credential": "web"}, {"credentials": ["web"]}),
        ("container_group_job", {"job_timeout": 5}, {"timeout": 5}),
    ],
)
def test_option_has_the_name_of_awx_awx_too(module: str, given: dict[str, Any], ours: dict[str, Any]) -> None:
    assert validated(module, given) == validated(module, ours)


def test_option_under_two_names_is_refused() -> None:
    with pytest.raises(Failure) as caught:
        validated("project_update", {"name": "one", "project": "another"})
    assert caught.value.message == "project and name are two names of one option; give one of them."


def test_mapping_under_another_name_is_checked_too() -> None:
    with pytest.raises(Failure, match="credentials\\[0\\].inputs is missing"):
        validated("container_group_job", {"credential": [{"credential_type": "machine"}]})
