# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch is defined by a template and what it asks for, or by the parameters; all names are resolved."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import PROMPTS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import Wanted
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition import Definition, stored_id
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_given import read_definition
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.definition_of_template import (
    PROMPTED,
    read_prompts,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.verbs.stock import Stock

ASKING = {f"ask_{name}_on_launch": True for name in PROMPTS}
SURVEY = {
    "spec": [
        {"question_name": "Release?", "variable": "release", "type": "text", "required": True},
        {"question_name": "Where?", "variable": "where", "type": "text", "required": False, "default": "lab"},
    ]
}
MACHINE = {"credential_type": "machine", "inputs": {"username": "ann"}}
SECRET = "s3cret-value"  # noqa: S105 - that is what is looked for


class Shelf(Stock):
    """A stock with something of everything; no test changes it for long."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        (folder / "hosts.ini").write_text("a\n")
        (folder / "both").mkdir()
        for name in ("one", "two", "three"):
            self.add("container_group", name)
        for name in ("first", "second"):
            self.add("organization", name)
            self.add("inventory", "hosts", organization=name, content={"all": {"hosts": {"a": None}}})
        self.add("organization", "grouped", instance_groups=["three"])
        self.add("inventory", "other")
        for kind in ("inventory", "project"):
            self.add(
                kind, "both", **({"scm_type": "manual", "local_path": "both"} if kind == "project" else {})
            )
        self.add("execution_environment", "image", image="quay.test/image")
        for name, kind, inputs in (
            ("key", "machine", {"username": "ann", "password": SECRET}),
            ("other key", "machine", {"username": "bob"}),
            ("prod", "vault", {"vault_password": SECRET, "vault_id": "prod"}),
            ("other prod", "vault", {"vault_password": SECRET, "vault_id": "prod"}),
            ("vault", "vault", {"vault_password": SECRET}),
        ):
            self.add("credential", name, credential_type=kind, inputs=inputs)
        self.template("quiet", inventory="other", instance_groups=["one"])
        self.template(
            "asking", inventory="other", instance_groups=["one"], extra_vars={"a": 1, "b": 1}, **ASKING
        )

    def defined(self, **params: Any) -> Definition:
        return read_definition(validated("container_group_job", params), self.objects, self.folder)

    def refused(self, **params: Any) -> str:
        with pytest.raises(Failure) as caught:
            self.defined(**params)
        assert caught.value.phase == "preparing"
        assert caught.value.message.endswith(".")
        return caught.value.message

    def named(self, kind: str, definition: Definition, option: str) -> str | None:
        """The name of the stored object that an option refers to."""
        number = definition.reference(option)
        return None if number is None else self.objects.by_id(kind, number).name

    def groups(self, definition: Definition) -> list[str]:
        return [self.objects.by_id("container_group", number).name for number in definition.groups]

    def credentials(self, definition: Definition) -> list[str]:
        numbers = [stored_id(each) for each in definition.options["credentials"]]
        return ["inline" if each is None else self.objects.by_id("credential", each).name for each in numbers]


@pytest.fixture(scope="module")
def shelf(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shelf]:
    made = Shelf(tmp_path_factory.mktemp("shelf"))
    yield made
    made.store.close()


@pytest.fixture
def kept(shelf: Shelf) -> Iterator[Shelf]:
    """The shelf for a test that adds to it: what the test adds is deleted."""
    kinds = ("job_template", "inventory", "container_group", "organization")
    before = {kind: {each["id"] for each in shelf.objects.list(kind)} for kind in kinds}
    yield shelf
    for kind in kinds:
        for each in shelf.objects.list(kind):
            if each["id"] not in before[kind]:
                scope = {"organization": each["organization"]} if "organization" in each else {}
                shelf.objects.delete(kind, Wanted(each["name"], scope))


@pytest.fixture
def own(tmp_path: Path) -> Iterator[Shelf]:
    """A shelf that nobody else has."""
    made = Shelf(tmp_path)
    yield made
    made.store.close()


INLINE = {"project": "project", "playbook": "site.yml", "inventory": "a,"}

# --- from a template -----


def test_template_says_everything_that_it_has(kept: Shelf) -> None:
    number = kept.template(
        "whole",
        inventory="other",
        execution_environment="image",
        credentials=["key", "prod"],
        instance_groups=["two", "one"],
        organization="first",
        job_type="check",
        forks=7,
        limit="web",
        verbosity=2,
        extra_vars={"a": 1},
        job_tags="x, y,",
        skip_tags="z",
        start_at_task="the last",
        diff_mode=True,
        become_enabled=True,
        timeout=60,
        job_slice_count=3,
        allow_simultaneous=True,
    )
    found = kept.defined(job_template="whole", wait=False)
    expected = {
        "name": "whole",
        "playbook": "site.yml",
        "job_type": "check",
        "forks": 7,
        "limit": "web",
        "verbosity": 2,
        "extra_vars": {"a": 1},
        "start_at_task": "the last",
        "diff_mode": True,
        "become_enabled": True,
        "timeout": 60,
        "job_slice_count": 3,
        "scm_branch": "",
        "wait": False,
    }
    assert {name: found.options[name] for name in expected} == expected
    assert [tag.strip() for tag in found.options["tags"]] == ["x", "y"]
    assert found.options["skip_tags"] == ["z"]
    assert kept.named("project", found, "project") == "code"
    assert kept.named("inventory", found, "inventory") == "other"
    assert kept.named("execution_environment", found, "execution_environment") == "image"
    assert kept.credentials(found) == ["key", "prod"]
    assert kept.groups(found) == ["two", "one"]
    assert (found.job_template, found.allow_simultaneous, found.notes) == (number, True, ())
    assert found.organization == kept.objects.get("organization", "first", "name").id


def test_template_is_found_by_its_id_or_within_an_organization(kept: Shelf) -> None:
    numbers = {
        name: kept.template("twice", inventory="other", organization=name) for name in ("first", "second")
    }
    assert kept.defined(job_template=str(numbers["second"])).job_template == numbers["second"]
    assert kept.defined(job_template="twice", organization="first").job_template == numbers["first"]
    assert "There are 2 of kind job template with the name 'twice'" in kept.refused(job_template="twice")


def test_template_that_is_not_there(shelf: Shelf) -> None:
    message = shelf.refused(job_template="gone")
    assert message == "job_template: there is no job template 'gone' (there are: asking, quiet)."


PROMPTS_GIVEN: dict[str, Any] = {
    "credentials": ["key"],
    "diff_mode": True,
    "execution_environment": "image",
    "forks": 3,
    "instance_groups": ["two"],
    "inventory": "b,c",
    "job_slice_count": 2,
    "job_type": "check",
    "limit": "web",
    "scm_branch": "main",
    "skip_tags": ["z"],
    "tags": ["x"],
    "timeout": 5,
    "verbosity": 4,
}


def test_every_prompt_is_tested() -> None:
    assert PROMPTS_GIVEN.keys() == PROMPTED.keys()
    assert {*PROMPTED.values(), "ask_variables_on_launch"} == ASKING.keys()


@pytest.mark.parametrize("option", PROMPTS_GIVEN)
def test_what_a_template_does_not_ask_for_is_refused(shelf: Shelf, option: str) -> None:
    assert shelf.refused(job_template="quiet", **{option: PROMPTS_GIVEN[option]}) == (
        f"{option} is given, but the job template does not ask for it: set its {PROMPTED[option]}, or leave"
        " it out."
    )


@pytest.mark.parametrize(
    "option", sorted(PROMPTS_GIVEN.keys() - {"credentials", "execution_environment", "instance_groups"})
)
def test_what_a_template_asks_for_is_taken(shelf: Shelf, option: str) -> None:
    found = shelf.defined(job_template="asking", **{option: PROMPTS_GIVEN[option]})
    assert found.options[option] == PROMPTS_GIVEN[option]


def test_objects_that_a_template_asks_for_are_resolved(shelf: Shelf) -> None:
    found = shelf.defined(
        job_template="asking",
        execution_environment="image",
        instance_groups=["two", "three"],
        inventory="both",
        organization="first",
    )
    assert shelf.named("execution_environment", found, "execution_environment") == "image"
    assert shelf.groups(found) == ["two", "three"]
    assert found.options["inventory"] == "both"  # there is a folder of this name
    assert (
        shelf.named("inventory", shelf.defined(job_template="asking", inventory="other"), "inventory")
        == "other"
    )
    inline = {"image": "quay.test/mine", "pull": "never"}
    assert shelf.defined(job_template="asking", execution_environment=inline).options[
        "execution_environment"
    ] == {
        **inline,
        "credential": None,
    }


@pytest.mark.parametrize(
    ("given", "words"),
    [
        (
            {"execution_environment": "gone"},
            "execution_environment: there is no execution environment 'gone'",
        ),
        ({"instance_groups": ["one", "gone"]}, "instance_groups[1]: there is no container group 'gone'"),
        ({"credentials": ["gone"]}, "credentials[0]: there is no credential 'gone'"),
        ({"inventory": "gone"}, "inventory 'gone' is neither a path"),
    ],
)
def test_prompt_that_names_nothing_is_refused(shelf: Shelf, given: dict[str, Any], words: str) -> None:
    assert words in shelf.refused(job_template="asking", **given)


@pytest.mark.parametrize("option", ["name", "project", "playbook", "start_at_task", "become_enabled"])
def test_what_only_the_template_says_is_refused(shelf: Shelf, option: str) -> None:
    value: Any = True if option == "become_enabled" else "x"
    message = shelf.refused(job_template="asking", **{option: value})
    assert message == f"{option} is given with job_template, which says it; leave it out."


def test_container_group_with_a_template_is_refused_with_the_option_to_use(shelf: Shelf) -> None:
    assert "say instance_groups" in shelf.refused(job_template="asking", container_group="one")


def test_template_without_an_inventory_needs_one(kept: Shelf) -> None:
    kept.template("open", inventory="", ask_inventory_on_launch=True)
    assert kept.refused(job_template="open") == "inventory is missing: the template asks for it at launch."
    assert kept.defined(job_template="open", inventory="a,").options["inventory"] == "a,"


# --- extra variables -----


def test_variables_of_a_launch_win_over_the_template_s(shelf: Shelf) -> None:
    found = shelf.defined(job_template="asking", extra_vars={"b": 2, "c": 3})
    assert found.options["extra_vars"] == {"a": 1, "b": 2, "c": 3}


def test_variables_that_a_template_does_not_ask_for_are_refused_by_name(shelf: Shelf) -> None:
    message = shelf.refused(job_template="quiet", extra_vars={"b": SECRET, "a": 1})
    assert message == (
        "extra_vars has a, b, but the job template asks for no variables: set its ask_variables_on_launch, or"
        " leave them out."
    )


@pytest.mark.parametrize(
    ("asks", "given", "expected"),
    [
        pytest.param(False, {"release": "1"}, {"a": 1, "release": "1", "where": "lab"}, id="default"),
        pytest.param(
            False, {"release": "1", "where": "here"}, {"a": 1, "release": "1", "where": "here"}, id="answers"
        ),
        pytest.param(
            True, {"release": "1", "a": 2}, {"a": 2, "release": "1", "where": "lab"}, id="and others"
        ),
    ],
)
def test_answers_to_a_survey_are_variables(
    kept: Shelf, asks: bool, given: dict[str, Any], expected: dict[str, Any]
) -> None:
    kept.template(
        "curious",
        inventory="other",
        survey_enabled=True,
        survey_spec=SURVEY,
        extra_vars={"a": 1},
        ask_variables_on_launch=asks,
    )
    assert kept.defined(job_template="curious", extra_vars=given).options["extra_vars"] == expected


@pytest.mark.parametrize(
    ("enabled", "given", "words"),
    [
        pytest.param(True, {}, "'release' value missing (Release?)", id="missing"),
        pytest.param(True, {"release": 1}, "'release' value must be text", id="wrong"),
        pytest.param(True, {"release": "1", "more": 1}, "extra_vars has more, but", id="not asked for"),
        pytest.param(False, {"release": "1"}, "extra_vars has release, but", id="survey not enabled"),
    ],
)
def test_answers_that_a_survey_does_not_take(
    kept: Shelf, enabled: bool, given: dict[str, Any], words: str
) -> None:
    kept.template("curious", inventory="other", survey_enabled=enabled, survey_spec=SURVEY)
    assert words in kept.refused(job_template="curious", extra_vars=given)


# --- credentials -----


@pytest.mark.parametrize(
    ("of_template", "given", "expected"),
    [
        pytest.param(["key", "prod"], [], ["key", "prod"], id="none"),
        pytest.param(["key", "prod"], ["other key"], ["prod", "other key"], id="same type"),
        pytest.param(["key", "prod"], [MACHINE], ["prod", "inline"], id="same type, inline"),
        pytest.param(["key", "prod"], ["other prod"], ["key", "other prod"], id="same vault id"),
        pytest.param(["key", "prod"], ["vault"], ["key", "prod", "vault"], id="another vault id"),
        pytest.param(
            ["prod"],
            [{"credential_type": "Vault", "inputs": {"vault_password": "x", "vault_id": "prod"}}],
            ["inline"],
            id="same vault id, inline, by AWX's name",
        ),
        pytest.param([], ["key", "vault"], ["key", "vault"], id="only given"),
    ],
)
def test_credential_takes_the_place_of_the_template_s_of_its_type_and_vault_id(
    kept: Shelf, of_template: list[str], given: list[Any], expected: list[str]
) -> None:
    kept.template("logs in", inventory="other", credentials=of_template, ask_credential_on_launch=True)
    assert kept.credentials(kept.defined(job_template="logs in", credentials=given)) == expected


# --- groups -----


@pytest.mark.parametrize(
    ("of_template", "of_inventory", "in_organization", "fenced", "given", "expected"),
    [
        pytest.param(["one"], ["two"], True, "", [], ["one", "two", "three"], id="all levels"),
        pytest.param([], ["two"], True, "", [], ["two", "three"], id="inventory first"),
        pytest.param([], [], True, "", [], ["three"], id="organization only"),
        pytest.param(["three"], ["two"], True, "", [], ["three", "two"], id="no group twice"),
        pytest.param(["one"], ["two"], True, "template", [], ["one"], id="fenced by the template"),
        pytest.param(["one"], ["two"], True, "inventory", [], ["one", "two"], id="fenced by the inventory"),
        pytest.param(["one"], ["two"], True, "", ["two"], ["two"], id="given at launch"),
        pytest.param(["one"], ["two"], True, "template", ["three"], ["three"], id="given wins over a fence"),
        pytest.param([], [], False, "", [], ["controlplane"], id="none"),
    ],
)
def test_groups_are_the_template_s_the_inventory_s_and_the_organization_s(
    kept: Shelf,
    of_template: list[str],
    of_inventory: list[str],
    in_organization: bool,
    fenced: str,
    given: list[str],
    expected: list[str],
) -> None:
    kept.add(
        "inventory",
        "placed",
        instance_groups=of_inventory,
        prevent_instance_group_fallback=fenced == "inventory",
    )
    kept.template(
        "placed",
        inventory="placed",
        instance_groups=of_template,
        organization="grouped" if in_organization else "first",
        prevent_instance_group_fallback=fenced == "template",
        ask_instance_groups_on_launch=True,
    )
    found = kept.defined(job_template="placed", organization=None, instance_groups=given)
    assert kept.groups(found) == expected
    assert bool(found.notes) is (expected == ["controlplane"])


def test_groups_are_those_of_the_inventory_that_is_given_at_launch(kept: Shelf) -> None:
    kept.add("inventory", "placed", instance_groups=["two"])
    assert kept.groups(kept.defined(job_template="asking", inventory="placed")) == ["one", "two"]


def test_without_any_group_it_is_the_one_called_default(kept: Shelf) -> None:
    kept.template("lost", inventory="other")
    (note,) = kept.defined(job_template="lost").notes
    assert note.startswith("no pod is used: neither the template, nor its inventory or organization, has")
    kept.add("container_group", "default")
    found = kept.defined(job_template="lost")
    assert (kept.groups(found), found.notes) == (["default"], ())


# --- inline -----


@pytest.mark.parametrize("option", ["project", "playbook", "inventory"])
def test_inline_definition_needs_these(shelf: Shelf, option: str) -> None:
    message = shelf.refused(**{**INLINE, option: None})
    assert message == f"{option} is missing; give it, or the job_template to launch."


def test_name_of_a_template_is_not_called_name(shelf: Shelf) -> None:
    message = shelf.refused(name="deploy", inventory="a,")
    assert message.startswith("job_template is missing: it names the template to launch (name: deploy is")


def test_inline_definition_has_defaults_for_the_rest(shelf: Shelf) -> None:
    found = shelf.defined(**INLINE)
    assert (found.groups, found.organization, found.job_template) == ((), None, None)
    assert (found.allow_simultaneous, found.notes) == (True, ())
    assert {name: found.options[name] for name in INLINE} == INLINE
    expected = {"forks": 0, "extra_vars": {}, "credentials": [], "job_slice_count": 1, "wait": True}
    assert {name: found.options[name] for name in expected} == expected
    assert found.options["execution_environment"] is None


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param("project", None, id="folder that is there"),
        pytest.param("./gone", None, id="path that is not there"),
        pytest.param("/gone", None, id="absolute path"),
        pytest.param("code", "code", id="stored"),
        pytest.param("both", None, id="folder and stored: the folder"),
    ],
)
def test_project_is_a_path_where_it_may_be_one_else_a_stored_one(
    shelf: Shelf, given: str, stored: str | None
) -> None:
    found = shelf.defined(**{**INLINE, "project": given})
    assert shelf.named("project", found, "project") == stored
    if stored is None:
        assert found.options["project"] == given


@pytest.mark.parametrize(
    ("given", "stored"),
    [
        pytest.param("hosts.ini", None, id="file"),
        pytest.param("./gone", None, id="path that is not there"),
        pytest.param("other,", None, id="comma list"),
        pytest.param("other", "other", id="stored"),
        pytest.param(" other ", "other", id="stored, with spaces"),
        pytest.param("both", None, id="folder and stored: the folder"),
        pytest.param(["a", "b"], None, id="list"),
        pytest.param({"all": {"hosts": {"a": None}}}, None, id="mapping"),
        pytest.param({"stored": {"hosts": {"a": None}}}, None, id="mapping with a group called stored"),
        pytest.param("", None, id="empty"),
        pytest.param("a\nb", None, id="lines"),
    ],
)
def test_inventory_is_a_list_or_a_path_where_it_may_be_one_else_a_stored_one(
    shelf: Shelf, given: Any, stored: str | None
) -> None:
    found = shelf.defined(**{**INLINE, "inventory": given})
    assert shelf.named("inventory", found, "inventory") == stored
    if stored is None:
        assert found.options["inventory"] == given


def test_stored_objects_are_found_by_their_ids(shelf: Shelf) -> None:
    project = shelf.objects.get("project", "code", "project").id
    inventory = shelf.objects.get("inventory", "other", "inventory").id
    found = shelf.defined(**{**INLINE, "project": str(project), "inventory": str(inventory)})
    assert (found.reference("project"), found.reference("inventory")) == (project, inventory)


@pytest.mark.parametrize(
    ("option", "words"),
    [
        ("project", "is neither a folder (looked at {0}/gone) nor a stored project (there are: both, code)."),
        (
            "inventory",
            "is neither a path (looked at {0}/gone) nor a stored inventory (there are: both, hosts, hosts,"
            " other); a single host is written with a comma: 'gone,'.",
        ),
    ],
)
def test_name_of_nothing_is_refused_with_what_was_looked_for(shelf: Shelf, option: str, words: str) -> None:
    message = shelf.refused(**{**INLINE, option: "gone"})
    assert message == f"{option} 'gone' {words.format(shelf.folder)}"


def test_name_that_several_have_is_refused_but_within_an_organization(shelf: Shelf) -> None:
    assert "There are 2 of kind inventory with the name 'hosts'" in shelf.refused(
        **{**INLINE, "inventory": "hosts"}
    )
    found = shelf.defined(**{**INLINE, "inventory": "hosts"}, organization="second")
    number = found.reference("inventory")
    assert number is not None
    second = shelf.objects.get("organization", "second", "organization").id
    assert shelf.values("inventory", number)["organization"] == found.organization == second


def test_name_given_at_launch_is_looked_up_in_the_organization_of_the_template_first(own: Shelf) -> None:
    names = ("first", "second")
    for name in names:
        own.add("credential", "login", organization=name, **MACHINE)
        own.template(f"of {name}", organization=name, inventory="other", **ASKING)
    own.template("of none", inventory="other", **ASKING)

    def owners(template: str, **given: Any) -> list[str]:
        found = own.defined(job_template=template, inventory="hosts", credentials=["login"], **given)
        numbers = [("inventory", found.reference("inventory"))]
        numbers += [("credential", stored_id(each)) for each in found.options["credentials"]]
        ids = [own.values(kind, number or 0)["organization"] for kind, number in numbers]
        return [own.objects.by_id("organization", number).name for number in ids]

    for name in names:
        assert owners(f"of {name}") == [name, name]
    assert owners("of first", organization="second") == ["second", "second"]
    assert owners("of none", organization="second") == ["second", "second"]
    assert "There are 2 of kind inventory with the name 'hosts'" in own.refused(
        job_template="of none", inventory="hosts"
    )
    # One that is elsewhere only is taken from there.
    assert own.credentials(own.defined(job_template="of first", credentials=["key"])) == ["key"]


def test_inventory_given_to_a_workflow_is_looked_up_in_its_organization_first(own: Shelf) -> None:
    own.add("workflow_job_template", "flow", organization="second", ask_inventory_on_launch=True)
    flow = own.objects.get("workflow_job_template", "flow", "workflow_job_template")
    prompts = read_prompts(flow, {"inventory": "hosts"}, own.objects, own.folder)
    number = stored_id(prompts["inventory"])
    assert number is not None
    assert own.values("inventory", number)["organization"] == flow.values["organization"]


def test_organization_that_is_not_there(shelf: Shelf) -> None:
    assert "organization: there is no organization 'gone'" in shelf.refused(**INLINE, organization="gone")


@pytest.mark.parametrize(
    ("given", "groups"),
    [
        pytest.param({"container_group": "two"}, ["two"], id="container_group"),
        pytest.param({"container_group": "controlplane"}, ["controlplane"], id="controlplane"),
        pytest.param({"instance_groups": ["two", "one"]}, ["two", "one"], id="instance_groups"),
        pytest.param({"container_group": {"namespace": "jobs"}}, [], id="inline"),
    ],
)
def test_groups_of_an_inline_definition(shelf: Shelf, given: dict[str, Any], groups: list[str]) -> None:
    found = shelf.defined(**INLINE, **given)
    assert shelf.groups(found) == groups
    inline = found.options.get("container_group")
    assert (inline or {}).get("namespace") == (None if groups else "jobs")


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({"container_group": "gone"}, "container_group: there is no container group 'gone'"),
        ({"container_group": ["one"]}, "container_group must be the name of a stored one, or a mapping with"),
        ({"instance_groups": ["gone"]}, "instance_groups[0]: there is no container group 'gone'"),
        ({"instance_groups": []}, "instance_groups is empty; name a container group, or leave it out."),
        (
            {"instance_groups": ["one"], "container_group": "two"},
            "container_group and instance_groups are both given; give one of them.",
        ),
        ({"execution_environment": "gone"}, "execution_environment: there is no execution environment"),
        (
            {"container_group": {"execution_environment": "gone"}},
            "container_group.execution_environment: there is no execution environment 'gone'",
        ),
        ({"credentials": [MACHINE, "gone"]}, "credentials[1]: there is no credential 'gone'"),
    ],
)
def test_inline_definition_that_names_nothing(shelf: Shelf, given: dict[str, Any], words: str) -> None:
    assert words in shelf.refused(**INLINE, **given)


def test_inline_definition_takes_stored_objects_and_what_is_written_out(shelf: Shelf) -> None:
    inline = {"image": "quay.test/mine"}
    found = shelf.defined(
        **INLINE,
        execution_environment="image",
        container_group={"execution_environment": inline},
        credentials=["key", {"credential_type": "vault", "inputs": {"vault_password": "x"}}],
    )
    assert shelf.named("execution_environment", found, "execution_environment") == "image"
    group = found.options["container_group"]
    assert group["execution_environment"]["image"] == "quay.test/mine"
    assert shelf.credentials(found) == ["key", "inline"]
    named = shelf.defined(**INLINE, container_group={"execution_environment": "image"})
    number = stored_id(named.options["container_group"]["execution_environment"])
    assert number == shelf.objects.get("execution_environment", "image", "name").id


# --- kept -----


@pytest.mark.parametrize("params", [INLINE, {"job_template": "asking", "credentials": ["key", "prod"]}])
def test_definition_is_the_same_again_after_it_was_kept(shelf: Shelf, params: dict[str, Any]) -> None:
    found = shelf.defined(**params)
    kept = json.loads(json.dumps(found.to_stored()))
    assert Definition.from_stored(kept) == found


def test_secrets_of_stored_objects_are_not_in_it(shelf: Shelf) -> None:
    found = shelf.defined(job_template="asking", credentials=["key", "prod"])
    assert SECRET not in json.dumps(found.to_stored())
