# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an object is told when it is saved, and names the option."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import verb
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.asking import (
    KeptFeed,
    request_for,
)

SECRET = "s3cret-value"  # noqa: S105 - that is what is looked for
HIDDEN = "$encrypted$"
GIT = {"scm_type": "git", "scm_url": "https://git.test/a.git"}


class User:
    """Somebody who calls the modules of objects."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def save(self, kind: str, name: str = "it", **options: Any) -> dict[str, Any]:
        request = request_for(kind, self._folder, name=name, **options)
        result = await verb(kind)(request, KeptFeed(), None)  # type: ignore[arg-type]
        assert result is not None
        return result

    async def refusal(self, kind: str, **options: Any) -> str:
        with pytest.raises(Failure) as caught:
            await self.save(kind, **options)
        assert caught.value.reason == "InvalidConfiguration"
        return caught.value.message

    def stored(self, kind: str, name: str = "it") -> dict[str, Any]:
        """An object's options with its secrets."""
        store = JobStore.open(store_options({"data_dir": str(self._folder / "store")}, {}, self._folder))
        try:
            return store.objects.get(kind, name, "name").values
        finally:
            store.close()


@pytest.fixture
def user(tmp_path: Path) -> User:
    return User(tmp_path)


# -- inventories --


@pytest.mark.parametrize(
    "content",
    [
        pytest.param({"all": {"hosts": {"web1": None}}}, id="mapping"),
        pytest.param("all:\n  hosts:\n    web1:\n", id="YAML"),
        pytest.param('{"all": {"hosts": {"web1": null}}}', id="JSON"),
    ],
)
async def test_an_inventory_is_kept_as_a_mapping(user: User, content: Any) -> None:
    assert (await user.save("inventory", content=content))["changed"]
    assert user.stored("inventory")["content"] == {"all": {"hosts": {"web1": {}}}}
    assert not (await user.save("inventory", content=content))["changed"]
    assert (await user.save("inventory", description="mine"))["object"]["content"] != {}


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"content": {"all": {}}, "path": "/etc/hosts"}, "content and path exclude", id="both"),
        pytest.param({"content": "all:\n  hosts: [\n"}, "line 3", id="no YAML"),
        pytest.param({"content": {"plugin": "amazon.aws.aws_ec2"}}, "make an inventory_source", id="plugin"),
        pytest.param({"content": {"all": {"host": {}}}}, "content", id="unknown key"),
    ],
)
async def test_an_inventory_that_can_t_be_read_is_told(
    user: User, options: dict[str, Any], words: str
) -> None:
    assert words in await user.refusal("inventory", **options)


# -- surveys --


def survey(**fields: Any) -> dict[str, Any]:
    """A survey with one question, for a password."""
    question = {"question_name": "Which?", "variable": "word", "type": "password", "required": True, **fields}
    return {"survey_spec": {"name": "", "description": "", "spec": [question]}}


@pytest.fixture(params=["job_template", "workflow_job_template"])
async def template(request: pytest.FixtureRequest, user: User) -> dict[str, Any]:
    """What a template takes, but for its survey."""
    if request.param == "workflow_job_template":
        return {"kind": request.param}
    await user.save("project", "p", **GIT)
    needed = {"project": "p", "playbook": "site.yml", "ask_inventory_on_launch": True}
    return {"kind": request.param, **needed}


async def test_a_survey_is_read(user: User, template: dict[str, Any]) -> None:
    result = await user.save(**template, **survey(default=SECRET, min=3, choices=""))
    assert SECRET not in str(result)
    (question,) = user.stored(template["kind"])["survey_spec"]["spec"]
    assert question == {
        "question_name": "Which?",
        "question_description": "",
        "variable": "word",
        "type": "password",
        "required": True,
        "default": SECRET,
        "min": 3,
        "max": None,
        "choices": [],
    }
    assert not (await user.save(**template, **survey(default=SECRET, min=3)))["changed"]


async def test_a_survey_that_was_shown_can_be_given_back(user: User, template: dict[str, Any]) -> None:
    shown = (await user.save(**template, **survey(default=SECRET)))["object"]["survey_spec"]
    assert shown["spec"][0]["default"] == HIDDEN
    assert not (await user.save(**template, survey_spec=shown))["changed"]
    assert (await user.save(**template, **survey(default=HIDDEN, min=3)))["changed"]
    (question,) = user.stored(template["kind"])["survey_spec"]["spec"]
    assert (question["default"], question["min"]) == (SECRET, 3)


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        pytest.param({"type": "colour"}, "type is 'colour'", id="type"),
        pytest.param({"default": HIDDEN}, "nothing is", id="no former password"),
        pytest.param({"default": SECRET, "min": 99}, "is too small", id="short"),
        pytest.param({"type": "text", "default": HIDDEN}, "is reserved", id="no password"),
        pytest.param({"hint": "x"}, "has 'hint'", id="unknown field"),
    ],
)
async def test_a_survey_that_can_t_be_asked_is_told(
    user: User, template: dict[str, Any], fields: dict[str, Any], words: str
) -> None:
    message = await user.refusal(**template, **survey(**fields))
    assert message.startswith("survey_spec")
    assert words in message
    assert SECRET not in message


# -- projects --


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({"scm_url": "git.test/a"}, "scm_url is 'git.test/a'", id="no URL"),
        pytest.param({"scm_url": "ext::sh -c id"}, "scm_url has", id="helper"),
        pytest.param({"scm_url": f"https://me:{SECRET}@git.test/a"}, "scm_url has a password", id="password"),
        pytest.param({"scm_branch": "-x"}, "scm_branch is '-x'", id="branch"),
        pytest.param({"scm_refspec": "a:b:c"}, "scm_refspec is 'a:b:c'", id="refspec"),
        pytest.param(
            {"scm_type": "archive", "scm_url": "ssh://git.test/a"}, "ssh://... is not", id="archive"
        ),
    ],
)
async def test_an_address_that_can_t_be_right_is_told(
    user: User, options: dict[str, Any], words: str
) -> None:
    message = await user.refusal("project", **{**GIT, **options})
    assert words in message
    assert SECRET not in message


@pytest.mark.parametrize(
    "options",
    [
        pytest.param({**GIT, "scm_branch": "main"}, id="https"),
        pytest.param({**GIT, "scm_url": "git@git.test:a.git", "scm_refspec": "refs/pull/*"}, id="ssh"),
        pytest.param({"scm_type": "archive", "scm_url": "https://files.test/a.tar.gz"}, id="archive"),
    ],
)
async def test_an_address_that_may_be_right_is_kept(user: User, options: dict[str, Any]) -> None:
    assert (await user.save("project", **options))["object"]["scm_url"] == options["scm_url"]


# -- execution environments --


async def test_the_login_of_an_execution_environment_is_whole(user: User) -> None:
    inputs = {"host": "quay.io", "username": "me", "password": SECRET}
    await user.save("credential", "whole", credential_type="container_registry", inputs=inputs)
    await user.save("credential", "half", credential_type="container_registry", inputs={"host": "quay.io"})
    assert (await user.save("execution_environment", image="quay.io/a", credential="whole"))["changed"]
    message = await user.refusal("execution_environment", credential="half")
    assert message.startswith("credential has no username")
