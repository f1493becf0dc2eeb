# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Objects of all kinds: made, edited, renamed, copied and deleted, each once and no more than asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
from ansible_collections.jobpods.controller.plugins.module_utils.controller.kinds import KINDS
from ansible_collections.jobpods.controller.plugins.module_utils.controller.object_tables import CONTROLPLANE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Change,
    ObjectStore,
    Reader,
    Values,
    Wanted,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import StoreOptions
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.conftest import (
    everything,
)
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.controller.little_objects import (
    changeable,
    make,
    other_value,
)

each_kind = pytest.mark.parametrize("kind", sorted(KINDS))


@pytest.fixture
def objects(store: JobStore) -> ObjectStore:
    return store.objects


def refused(call: Any, *args: Any, **kwargs: Any) -> str:
    """The message with which a call is refused."""
    with pytest.raises(Failure) as caught:
        call(*args, **kwargs)
    assert caught.value.reason == "InvalidConfiguration"
    return caught.value.message


def names(found: Sequence[Values]) -> list[str]:
    return [each["name"] for each in found]


# -- the life of an object --


@each_kind
def test_whole_life_of_an_object(objects: ObjectStore, kind: str) -> None:
    first = make(objects, kind, "first", description="as it was")
    wanted = Wanted("first", {"description": "as it is"})
    edited = objects.save(kind, wanted)
    assert (edited.changed, edited.id, edited.options) == (True, first.id, ("description",))
    assert (edited.before["description"], edited.after["description"]) == ("as it was", "as it is")
    again = objects.save(kind, wanted)
    assert (again.changed, again.before, again.after) == (False, edited.after, edited.after)

    renaming = Wanted("first", new_name="second")
    renamed = objects.save(kind, renaming)
    assert (renamed.changed, renamed.id, renamed.name) == (True, first.id, "second")
    assert renamed.options == ("name",)
    again = objects.save(kind, renaming)
    assert (again.changed, again.id, again.name) == (False, first.id, "second")

    deleted = objects.delete(kind, Wanted("second"))
    assert (deleted.changed, deleted.before, deleted.after) == (True, renamed.after, {})
    assert objects.delete(kind, Wanted("second")) == Change(None, "second", {}, {})
    assert "second" not in names(objects.list(kind))


@each_kind
def test_only_what_is_given_changes(objects: ObjectStore, kind: str) -> None:
    before = make(objects, kind, "it")
    for option in changeable(kind):
        value = other_value(objects, KINDS[kind], option)
        change = objects.save(kind, Wanted("it", {option: value}))
        assert (change.options, change.id) == ((option,), before.id)
        after = objects.by_id(kind, before.id)
        assert {name for name in after.values if after.values[name] != before.values[name]} == {option}
        named = option in KINDS[kind].references or option in KINDS[kind].lists
        assert (change.after if named else after.values)[option] == value
        assert not objects.save(kind, Wanted("it", {option: value})).changed
        cleared = "" if option in KINDS[kind].lists else before.values[option]
        assert objects.save(kind, Wanted("it", {option: cleared})).options == (option,)
        assert objects.by_id(kind, before.id) == before


@each_kind
def test_copy_has_all_that_its_source_has(objects: ObjectStore, kind: str) -> None:
    given = {option: other_value(objects, KINDS[kind], option) for option in KINDS[kind].options}
    source = make(objects, kind, "source", **given)
    wanted = Wanted("copy", copy_from="source")
    change = objects.save(kind, wanted)
    assert change.id not in (None, source.id)
    assert change.before == {}
    copy = objects.get(kind, "copy", "name")
    assert (copy.id, copy.values) == (change.id, source.values)
    assert not objects.save(kind, wanted).changed
    objects.save(kind, Wanted("copy", {"description": "another's"}))
    assert objects.by_id(kind, source.id) == source
    objects.delete(kind, Wanted("source"))
    assert not objects.save(kind, wanted).changed, "the copy is there, and needs its source no more"


def test_copy_with_changes(objects: ObjectStore) -> None:
    make(objects, "credential", "source", inputs={"username": "ann", "password": "hunter2"})
    objects.save("credential", Wanted("copy", {"description": "mine"}, copy_from="source"))
    copy = objects.get("credential", "copy", "name")
    assert copy.values["inputs"] == {"username": "ann", "password": "hunter2"}
    assert copy.values["description"] == "mine"


def test_copy_of_nothing(objects: ObjectStore) -> None:
    make(objects, "project", "site")
    message = refused(objects.save, "project", Wanted("copy", copy_from="siet"))
    assert message == "copy_from: there is no project 'siet' (there are: site)."


def test_copy_is_made_where_its_source_is(objects: ObjectStore) -> None:
    """Also where another organization has one of the copy's name already."""
    for organization in ("a", "b"):
        make(objects, "organization", organization)
    source = make(objects, "project", "source", organization="a")
    other = make(objects, "project", "copy", organization="b")
    change = objects.save("project", Wanted("copy", copy_from="source"))
    assert change.id not in (None, other.id)
    assert change.after["organization"] == "a"
    assert objects.by_id("project", other.id) == other
    moved = objects.save("project", Wanted("source", {"organization": "b"}, copy_from="source"))
    assert moved.after["organization"] == "b"
    assert not objects.save("project", Wanted("source", {"organization": "b"}, copy_from="source")).changed
    assert objects.by_id("project", source.id) == source


def test_no_number_is_given_twice(objects: ObjectStore) -> None:
    first = make(objects, "project", "first")
    objects.delete("project", Wanted("first"))
    assert make(objects, "project", "first").id > first.id


@pytest.mark.parametrize("call", ["create", "edit", "rename", "copy", "delete"])
@each_kind
def test_dry_run_leaves_nothing(options: StoreOptions, objects: ObjectStore, kind: str, call: str) -> None:
    lists = {option: other_value(objects, KINDS[kind], option) for option in KINDS[kind].lists}
    make(objects, kind, "there", **lists)
    new = {"inventory": "inventory of there"} if kind == "inventory_source" else {}
    wanted = {
        "create": Wanted("new", {**lists, **new}),
        "edit": Wanted("there", {"description": "x", **dict.fromkeys(lists, "")}),
        "rename": Wanted("there", new_name="new"),
        "copy": Wanted("new", copy_from="there"),
        "delete": Wanted("there"),
    }[call]
    before = everything(options)
    verb = objects.delete if call == "delete" else objects.save
    tried = verb(kind, wanted, dry_run=True)
    assert tried.changed
    assert everything(options) == before
    done = verb(kind, wanted)
    assert (tried.before, tried.options) == (done.before, done.options)
    assert {**tried.after, "id": 0} == {**done.after, "id": 0}
    assert everything(options) != before


# -- checks of the values --


def test_check_gives_values_their_final_form(objects: ObjectStore) -> None:
    def check(values: Values, _reader: Reader) -> Values:
        return {**values, "image": values["image"].strip()}

    wanted = Wanted("ee", {"image": " quay.io/ee "})
    assert objects.save("execution_environment", wanted, check=check).after["image"] == "quay.io/ee"
    assert not objects.save("execution_environment", wanted, check=check).changed


def test_check_that_changes_what_it_got_changes_the_object_only(objects: ObjectStore) -> None:
    def check(values: Values, _reader: Reader) -> Values:
        values["extra_vars"]["added"] = True
        return values

    assert objects.save("job_template", Wanted("a"), check=check).changed
    assert not objects.save("job_template", Wanted("a"), check=check).changed
    objects.save("job_template", Wanted("a", {"extra_vars": {}}))
    assert objects.save("job_template", Wanted("a"), check=check).options == ("extra_vars",)
    assert make(objects, "job_template", "b").values["extra_vars"] == {}


def test_check_reads_other_objects(objects: ObjectStore) -> None:
    read = []

    def check(values: Values, reader: Reader) -> Values:
        read.append(reader("project", values["project"]).name)
        return values

    make(objects, "project", "site")
    objects.save("job_template", Wanted("a", {"project": "site"}), check=check)
    assert read == ["site"]


def test_check_that_refuses_leaves_nothing(objects: ObjectStore, options: StoreOptions) -> None:
    def check(values: Values, _reader: Reader) -> Values:
        raise Failure("InvalidConfiguration", "image: no.")

    before = everything(options)
    assert refused(objects.save, "execution_environment", Wanted("ee"), check=check) == "image: no."
    assert everything(options) == before


@pytest.mark.parametrize("number", [float("nan"), float("inf")], ids=str)
@pytest.mark.parametrize(
    ("kind", "option"), [("container_group", "pod_spec_override"), ("job_template", "extra_vars")], ids=str
)
def test_number_that_json_does_not_know(objects: ObjectStore, kind: str, option: str, number: float) -> None:
    assert option in refused(objects.save, kind, Wanted("it", {option: {"a": number}}))


@pytest.mark.parametrize("text", ["NUL \0", "half \ud800"], ids=ascii)
def test_text_that_no_database_takes(objects: ObjectStore, text: str) -> None:
    assert "description" in refused(objects.save, "project", Wanted("it", {"description": text}))
    stored = make(objects, "project", "it", scm_branch=text)
    assert stored.values["scm_branch"] == text, "in JSON, there is a way to write it"


def test_unknown_option_is_a_mistake_of_ours(objects: ObjectStore) -> None:
    with pytest.raises(ValueError, match="project has no option nmae"):
        objects.save("project", Wanted("it", {"nmae": "x"}))


# -- names --


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("", "from 1 to 512"),
        ("  ", "from 1 to 512"),
        ("x" * 513, "from 1 to 512"),
        ("12", "would be taken for an id"),
        ("a\nb", "can't be shown"),
        ("a\0", "can't be shown"),
        ("a\ud800", "can't be shown"),
    ],
    ids=ascii,
)
def test_name_that_can_not_be(objects: ObjectStore, name: str, words: str) -> None:
    assert words in refused(objects.save, "project", Wanted(name))
    make(objects, "project", "it")
    if name:
        assert words in refused(objects.save, "project", Wanted("it", new_name=name))


@pytest.mark.parametrize("name", ["ü🐄", "x" * 512, "🐄" * 512, "a/b, c", "Ａ12", "None"], ids=ascii)
def test_any_other_name_will_do(objects: ObjectStore, name: str) -> None:
    number = make(objects, "credential", name).id
    assert objects.get("credential", name, "credential").id == number
    assert not objects.save("credential", Wanted(name)).changed


def test_name_in_use(objects: ObjectStore) -> None:
    make(objects, "project", "a")
    make(objects, "project", "b")
    message = refused(objects.save, "project", Wanted("a", new_name="b"))
    assert message == "name: there is another project 'b' with the same organization already."


def test_object_that_is_there_no_more_gets_its_new_name_at_once(objects: ObjectStore) -> None:
    assert objects.save("project", Wanted("a", new_name="b")).name == "b"


def test_id_in_place_of_the_name(objects: ObjectStore) -> None:
    number = make(objects, "project", "a").id
    assert not objects.save("project", Wanted(str(number))).changed
    renamed = objects.save("project", Wanted(str(number), new_name="b"))
    assert (renamed.id, renamed.name) == (number, "b")
    assert objects.delete("project", Wanted(str(number))).before["name"] == "b"


# -- organizations --


@pytest.fixture
def two(objects: ObjectStore) -> ObjectStore:
    """Two organizations, each with a project and an inventory of the same names."""
    for organization in ("a", "b"):
        make(objects, "organization", organization)
        for kind in ("project", "inventory"):
            make(objects, kind, "shared", organization=organization, description=f"of {organization}")
    return objects


def test_names_are_unique_within_an_organization_only(two: ObjectStore) -> None:
    assert [each["organization"] for each in two.list("project", name="shared")] == ["a", "b"]
    changed = two.save("project", Wanted("shared", {"organization": "b", "scm_branch": "main"}))
    assert changed.options == ("scm_branch",)
    assert [each["scm_branch"] for each in two.list("project")] == ["", "main"]


def test_no_organization_is_one_of_its_own(two: ObjectStore) -> None:
    new = two.save("project", Wanted("shared", {"organization": ""}))
    assert new.before == {}
    assert not two.save("project", Wanted("shared", {"organization": ""})).changed
    assert len(two.list("project", name="shared")) == 3
    assert two.delete("project", Wanted("shared", {"organization": ""})).before["id"] == new.id


@pytest.mark.parametrize("verb", ["save", "delete"])
def test_name_of_several(two: ObjectStore, verb: str) -> None:
    ids = ", ".join(str(each["id"]) for each in two.list("project"))
    message = refused(getattr(two, verb), "project", Wanted("shared"))
    assert message == (
        f"There are 2 of kind project with the name 'shared'; give organization, or its id (one of {ids})."
    )


def test_references_are_looked_for_in_the_own_organization_first(two: ObjectStore) -> None:
    given = {"project": "shared", "inventory": "shared"}
    template = make(two, "job_template", "t", organization="b", **given)
    assert two.by_id("project", template.values["project"]).values["description"] == "of b"
    assert not two.save("job_template", Wanted("t", given)).changed, "also when it is not given again"
    copy = two.save("job_template", Wanted("u", given, copy_from="t"))
    assert copy.after["organization"] == "b"
    message = refused(two.save, "job_template", Wanted("v", given))
    assert message.startswith("project: There are 2 of kind project")


def test_sources_of_an_inventory_are_of_its_organization(two: ObjectStore) -> None:
    inventory = two.get("inventory", "shared", "inventory", "b")
    source = make(two, "inventory_source", "s", inventory=inventory.id, source_project="shared")
    assert two.by_id("project", source.values["source_project"]).values["description"] == "of b"
    given = {"inventory": "shared", "source_project": "shared"}
    assert not two.save("inventory_source", Wanted("s", given, organization="b")).changed
    assert two.save("inventory_source", Wanted("s", given, organization="a")).before == {}
    assert refused(two.save, "inventory_source", Wanted("s", given)).startswith("inventory: There are 2")


def test_get_within_an_organization(two: ObjectStore) -> None:
    assert two.get("project", "shared", "project", "a").values["description"] == "of a"
    make(two, "project", "elsewhere", organization="a")
    assert two.get("project", "elsewhere", "project", "b").name == "elsewhere"
    assert "organization: there is no organization 'c'" in refused(
        two.get, "project", "shared", "project", "c"
    )


def test_credentials_of_the_same_name_and_different_types(objects: ObjectStore) -> None:
    machine = make(objects, "credential", "deploy")
    vault = make(objects, "credential", "deploy", credential_type="vault")
    assert machine.id != vault.id
    given = {"credential_type": "vault", "description": "x"}
    assert objects.save("credential", Wanted("deploy", given)).id == vault.id
    message = refused(objects.save, "credential", Wanted("deploy"))
    assert "give organization and credential_type" in message


def test_organization_that_is_gone_takes_its_objects_along(two: ObjectStore) -> None:
    """So that what removes everything can run again."""
    assert not two.delete("project", Wanted("shared", {"organization": "gone"})).changed
    assert not two.delete("inventory_source", Wanted("s", {"inventory": "gone"})).changed
    assert not two.delete(
        "inventory_source", Wanted("s", {"inventory": "shared"}, organization="gone")
    ).changed


def test_deleting_needs_nothing_but_the_name(two: ObjectStore) -> None:
    make(two, "job_template", "t", organization="a")
    given = {"organization": "a", "project": "gone", "inventory": "gone", "instance_groups": ["gone"]}
    assert two.delete("job_template", Wanted("t", given)).changed


# -- references --


@each_kind
def test_references_to_nothing_name_the_option(objects: ObjectStore, kind: str) -> None:
    given = {"credential_type": "machine"} if kind == "credential" else {}
    for option in KINDS[kind].references:
        message = refused(objects.save, kind, Wanted("it", {**given, option: "nothing"}))
        assert message.startswith(f"{option}: there is no ")
    for option, listed in KINDS[kind].lists.items():
        value = "nothing" if listed.single else ["nothing"]
        where = option if listed.single else f"{option}[0]"
        assert refused(objects.save, kind, Wanted("it", {option: value})).startswith(f"{where}: there is no ")


def test_lists_keep_their_order(objects: ObjectStore) -> None:
    groups = [make(objects, "container_group", name).name for name in ("one", "two", "three")]
    make(objects, "organization", "o", instance_groups=groups)
    for wanted in (groups[::-1], groups[1:], [], groups):
        change = objects.save("organization", Wanted("o", {"instance_groups": wanted}))
        assert change.after["instance_groups"] == wanted
        assert change.options == ("instance_groups",)
        (listed,) = objects.list("organization")
        assert listed["instance_groups"] == wanted


def test_nothing_is_listed_twice(objects: ObjectStore) -> None:
    number = make(objects, "container_group", "one").id
    message = refused(objects.save, "organization", Wanted("o", {"instance_groups": ["one", number]}))
    assert message == f"instance_groups[1]: {number} is listed twice."


@pytest.mark.parametrize("empty", ["", None], ids=repr)
def test_empty_reference_is_none(objects: ObjectStore, empty: str | None) -> None:
    make(objects, "project", "p")
    make(objects, "job_template", "t", project="p")
    assert objects.save("job_template", Wanted("t", {"project": empty})).after["project"] is None


# -- the controlplane --


def test_the_controlplane_stays(objects: ObjectStore) -> None:
    assert names(objects.list("container_group")) == [CONTROLPLANE]
    message = refused(objects.save, "container_group", Wanted(CONTROLPLANE, new_name="x"))
    assert message == "name: the container group controlplane can't be renamed."
    assert "can't be deleted" in refused(objects.delete, "container_group", Wanted(CONTROLPLANE))


def test_limits_of_the_controlplane_can_be_set(objects: ObjectStore) -> None:
    given = {
        "max_forks": 5,
        "max_concurrent_jobs": 2,
        "description": "here",
        "namespace": "",
        "credential": None,
    }
    change = objects.save("container_group", Wanted(CONTROLPLANE, given))
    assert change.options == ("description", "max_concurrent_jobs", "max_forks")


@pytest.mark.parametrize(
    ("option", "value"),
    [
        pytest.param("namespace", "jobs", id="text"),
        pytest.param("verify_ssl", False, id="false"),
        pytest.param("pod_spec_override", {"spec": {}}, id="mapping"),
        pytest.param("pod_pending_timeout", 60, id="number"),
        pytest.param("credential", "c", id="object"),
    ],
)
def test_nothing_else_of_the_controlplane_can_be(objects: ObjectStore, option: str, value: Any) -> None:
    make(objects, "credential", "c", credential_type="kubernetes_bearer_token")
    number = str(objects.list("container_group", name=CONTROLPLANE)[0]["id"])
    for name in (CONTROLPLANE, number):
        message = refused(objects.save, "container_group", Wanted(name, {"max_forks": 5, option: value}))
        assert message.startswith(f"{option}: the container group controlplane runs jobs on the controller")
        assert message.endswith("only description, max_concurrent_jobs, max_forks can be set of it.")


# -- lists of objects --


def test_lists_are_sorted_by_name(objects: ObjectStore) -> None:
    for name in ("b", "B", "a", "ä", "_", "10 x"):
        make(objects, "project", name)
    assert names(objects.list("project")) == ["10 x", "B", "_", "a", "b", "ä"]


def test_filters(objects: ObjectStore) -> None:
    make(objects, "organization", "o")
    groups = [make(objects, "container_group", name).name for name in ("one", "two")]
    make(objects, "job_template", "a", organization="o", forks=3, instance_groups=groups)
    make(objects, "job_template", "b", forks=3, instance_groups=groups[:1])
    make(objects, "job_template", "c")

    def found(**filters: object) -> list[str]:
        return names(objects.list("job_template", **filters))

    assert found() == ["a", "b", "c"]
    assert found(name="b") == ["b"]
    assert found(name="d") == found(name="\ud800") == []
    assert found(organization="o") == ["a"]
    assert found(forks=3) == ["a", "b"]
    assert found(instance_groups="two", forks=3) == ["a"]
    assert found(forks=4) == []
    assert "organization: there is no organization 'p'" in refused(
        objects.list, "job_template", organization="p"
    )


def test_by_id_of_what_was_deleted(objects: ObjectStore) -> None:
    number = make(objects, "project", "p").id
    objects.delete("project", Wanted("p"))
    assert refused(objects.by_id, "project", number) == f"The project with the id {number} was deleted."
