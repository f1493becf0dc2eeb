# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is wrong with an object is told when it is saved, and names the option."""

from __future__ import annotations

from datetime import date
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


async def test_a_login_may_be_completed_later(user: User) -> None:
    """An import has no secrets; what is missing then is told at launch."""
    await user.save("credential", "half", credential_type="container_registry", inputs={"host": "quay.io"})
    assert (await user.save("execution_environment", image="quay.io/a", credential="half"))["changed"]
    await user.save("credential", "key", credential_type="machine", inputs={})
    message = await user.refusal("execution_environment", credential="key")
    assert "container_registry" in message


@pytest.mark.parametrize(
    ("image", "words"),
    [
        pytest.param("", "image is missing", id="none"),
        pytest.param("  ", "image is missing", id="blank"),
        pytest.param("quay.io/a b", "image is 'quay.io/a b'", id="spaces"),
    ],
)
async def test_an_image_that_can_t_be_one_is_told(user: User, image: str, words: str) -> None:
    assert words in await user.refusal("execution_environment", image=image)


# -- credentials --


@pytest.mark.parametrize(
    ("options", "words"),
    [
        pytest.param({}, "credential_type is missing; a new credential needs one", id="no type"),
        pytest.param(
            {"credential_type": "cloud"}, "credential_type is 'cloud'; there are", id="unknown type"
        ),
        pytest.param(
            {"credential_type": "machine", "inputs": {"pasword": SECRET}},
            "inputs has 'pasword', which type machine does not",
            id="unknown input",
        ),
        pytest.param(
            {"credential_type": "vault", "inputs": {"vault_id": "prod"}},
            "inputs.vault_password is missing",
            id="missing input",
        ),
        pytest.param(
            {"credential_type": "machine", "inputs": {"password": [SECRET]}},
            "inputs.password must be text",
            id="no text",
        ),
    ],
)
async def test_a_credential_that_can_t_be_used_is_told(
    user: User, options: dict[str, Any], words: str
) -> None:
    message = await user.refusal("credential", **options)
    assert words in message
    assert SECRET not in message


async def test_a_credential_type_has_the_name_of_awx_too(user: User) -> None:
    result = await user.save("credential", credential_type="Machine", inputs={"password": SECRET})
    assert result["object"]["credential_type"] == "machine"
    assert result["object"]["inputs"] == {"password": HIDDEN}


@pytest.fixture
async def stocked(user: User) -> User:
    """Somebody who has what other objects refer to: a credential of each type is called as that."""
    for kind, inputs in {
        "container_registry": {"host": "quay.io", "username": "me", "password": SECRET},
        "kubernetes_bearer_token": {"host": "https://k8s.test", "bearer_token": SECRET},
        "machine": {},
        "source_control": {},
        "vault": {"vault_password": SECRET},
    }.items():
        await user.save("credential", kind, credential_type=kind, inputs=inputs)
    for name in ("prod", "other prod"):
        inputs = {"vault_password": SECRET, "vault_id": "prod"}
        await user.save("credential", name, credential_type="vault", inputs=inputs)
    await user.save("credential", "other machine", credential_type="machine")
    await user.save("project", "code", **GIT)
    await user.save("project", "open", **GIT, allow_override=True)
    await user.save("inventory", "hosts")
    return user


NEEDED: dict[str, dict[str, Any]] = {
    "container_group": {},
    "execution_environment": {"image": "quay.io/a"},
    "inventory_source": {"inventory": "hosts", "source": "file", "source_path": "/hosts"},
    "job_template": {"project": "code", "playbook": "site.yml", "inventory": "hosts"},
    "project": GIT,
}
TAKEN = {
    "container_group": ("kubernetes_bearer_token",),
    "execution_environment": ("container_registry",),
    "inventory_source": ("vault", "kubernetes_bearer_token"),
    "project": ("source_control",),
}
TYPES = ("container_registry", "kubernetes_bearer_token", "machine", "source_control", "vault")


@pytest.mark.parametrize("type_", TYPES)
@pytest.mark.parametrize("kind", TAKEN)
async def test_a_credential_of_another_type_is_told(stocked: User, kind: str, type_: str) -> None:
    if type_ in TAKEN[kind]:
        assert (await stocked.save(kind, **NEEDED[kind], credential=type_))["changed"]
        return
    assert await stocked.refusal(kind, **NEEDED[kind], credential=type_) == (
        f"credential: '{type_}' is of type {type_}; it must be {' or '.join(TAKEN[kind])}."
    )


# -- what belongs together --


@pytest.mark.parametrize(
    ("kind", "options", "words"),
    [
        pytest.param("project", {"scm_type": "manual"}, "local_path is missing", id="no folder"),
        pytest.param(
            "project", {"scm_type": "git"}, "scm_url is missing; a project of scm_type git", id="no URL"
        ),
        pytest.param(
            "project",
            {"scm_type": "manual", "local_path": "/code", "scm_url": "https://git.test/a"},
            "scm_url does not go with scm_type manual; leave it out, or clear it with an empty text.",
            id="URL of a folder",
        ),
        pytest.param(
            "project",
            {"scm_type": "manual", "local_path": "/code", "credential": "source_control"},
            "credential does not go with scm_type manual",
            id="login of a folder",
        ),
        pytest.param(
            "project", {**GIT, "local_path": "/code"}, "local_path does not go with", id="folder of git"
        ),
        pytest.param(
            "project",
            {"scm_type": "archive", "scm_url": "https://files.test/a.zip", "scm_track_submodules": True},
            "scm_track_submodules does not go with scm_type archive",
            id="submodules of an archive",
        ),
        pytest.param("project", {**GIT, "timeout": -1}, "timeout is -1; it must be from 0 to", id="timeout"),
        pytest.param(
            "project",
            {**GIT, "scm_update_cache_timeout": 10**9},
            "scm_update_cache_timeout is 1000000000; it must be from 0 to",
            id="cache timeout",
        ),
        pytest.param("inventory_source", {"source": "file"}, "inventory is missing", id="no inventory"),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "file", "source_path": "hosts.yml"},
            "source_path is 'hosts.yml'; it must be the absolute path",
            id="relative file",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "scm", "source_path": "hosts.yml"},
            "source_project is missing",
            id="no project",
        ),
        *(
            pytest.param(
                "inventory_source",
                {"inventory": "hosts", "source": "scm", "source_project": "code", "source_path": path},
                f"source_path is {path!r}; it must be the path of a file or folder within the project, or /",
                id=f"path {path!r} in a project",
            )
            for path in ("", ".", "..", "../hosts", "a/../../hosts", "/etc/hosts")
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "file", "source_path": "/hosts", "source_project": "code"},
            "source_project does not go with source file",
            id="project of a file",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "plugin", "source_vars": {"regions": []}},
            "source_vars must name the inventory plugin in plugin",
            id="no plugin",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "ec2", "source_path": "/etc/aws_ec2.yml"},
            "with a plugin it is a mere file name",
            id="path of a plugin",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "ec2", "timeout": -1},
            "timeout is -1; it must be from 0 to",
            id="timeout of a source",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "ec2", "update_cache_timeout": -1},
            "update_cache_timeout is -1; it must be from 0 to",
            id="cache timeout of a source",
        ),
        pytest.param(
            "job_template", {"playbook": "site.yml"}, "project is missing", id="no project of a template"
        ),
        pytest.param("job_template", {"project": "code"}, "playbook is missing", id="no playbook"),
        *(
            pytest.param(
                "job_template",
                {"project": "code", "playbook": path},
                f"playbook {path!r} must be a path within the project",
                id=f"playbook {path!r}",
            )
            for path in ("/site.yml", "../site.yml", "a/../../site.yml", "..")
        ),
        pytest.param(
            "job_template",
            {"project": "code", "playbook": "site.yml"},
            "inventory is missing; give one, or ask_inventory_on_launch: true.",
            id="no inventory of a template",
        ),
        pytest.param(
            "job_template",
            {**NEEDED["job_template"], "scm_branch": "main"},
            "scm_branch is given, but the project does not allow it: set its allow_override.",
            id="branch",
        ),
        *(
            pytest.param(
                "job_template",
                {**NEEDED["job_template"], option: value},
                f"{option} is {value}; it must be from {least} to",
                id=f"{option} {value}",
            )
            for option, value, least in (
                ("forks", -1, 0),
                ("forks", 1001, 0),
                ("timeout", -1, 0),
                ("job_slice_count", 0, 1),
                ("job_slice_count", 1001, 1),
            )
        ),
        *(
            pytest.param(
                "job_template",
                {**NEEDED["job_template"], "credentials": names},
                words,
                id=f"credentials {' and '.join(names)}",
            )
            for names, words in (
                (
                    ["source_control"],
                    "'source_control' is of type source_control; a job takes machine and vault.",
                ),
                (["machine", "other machine"], "'machine' and 'other machine' are both of type machine"),
                (["vault", "prod", "other prod"], "'prod' and 'other prod' are both of vault id 'prod'"),
            )
        ),
    ],
)
async def test_what_does_not_go_together_is_told(
    stocked: User, kind: str, options: dict[str, Any], words: str
) -> None:
    assert words in await stocked.refusal(kind, **options)


@pytest.mark.parametrize(
    ("kind", "options", "expected"),
    [
        pytest.param(
            "job_template",
            {**NEEDED["job_template"], "playbook": "plays//./site.yml"},
            {"playbook": "plays/site.yml"},
            id="playbook in a folder",
        ),
        pytest.param(
            "job_template",
            {**NEEDED["job_template"], "playbook": "..site.yml"},
            {"playbook": "..site.yml"},
            id="playbook that begins with dots",
        ),
        pytest.param(
            "job_template",
            {**NEEDED["job_template"], "project": "open", "scm_branch": "main"},
            {"scm_branch": "main"},
            id="branch that may be",
        ),
        pytest.param(
            "job_template",
            {**NEEDED["job_template"], "credentials": ["machine", "vault", "prod"]},
            {"credentials": ["machine", "vault", "prod"]},
            id="credentials",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "scm", "source_project": "code", "source_path": "/"},
            {"source_path": "/"},
            id="all of a project",
        ),
        pytest.param(
            "inventory_source",
            {"inventory": "hosts", "source": "ec2", "source_path": "mine.aws_ec2.yml"},
            {"source_path": "mine.aws_ec2.yml"},
            id="name of a plugin's file",
        ),
    ],
)
async def test_what_goes_together_is_kept(
    stocked: User, kind: str, options: dict[str, Any], expected: dict[str, Any]
) -> None:
    shown = (await stocked.save(kind, **options))["object"]
    assert {name: shown[name] for name in expected} == expected


async def test_what_an_edit_leaves_out_still_counts(stocked: User) -> None:
    await stocked.save("job_template", **NEEDED["job_template"])
    message = await stocked.refusal("job_template", inventory="")
    assert message == "inventory is missing; give one, or ask_inventory_on_launch: true."
    assert (await stocked.save("job_template", inventory="", ask_inventory_on_launch=True))["changed"]


# -- paths --


async def test_paths_start_at_the_playbook_s_folder(user: User, tmp_path: Path) -> None:
    await user.save("project", scm_type="manual", local_path="code/../project")
    await user.save("inventory", path="./hosts")
    assert user.stored("project")["local_path"] == str(tmp_path / "project")
    assert user.stored("inventory")["path"] == str(tmp_path / "hosts")


async def test_home_is_the_user_s(user: User, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    await user.save("project", scm_type="manual", local_path="~/project")
    assert user.stored("project")["local_path"] == str(tmp_path / "home" / "project")


async def test_what_json_has_no_word_for_is_text(stocked: User) -> None:
    given = {"day": date(2026, 1, 2), 5: "five"}
    await stocked.save("job_template", **NEEDED["job_template"], extra_vars=given)
    assert stocked.stored("job_template")["extra_vars"] == {"day": "2026-01-02", "5": "five"}
