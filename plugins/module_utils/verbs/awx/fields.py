# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One asset of an export of AWX, taken apart: what becomes of it here, and what has no counterpart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_text import (
    parsed_mapping,
    plain_mapping,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import (
    Key,
    Reference,
    read_key,
)
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.workflows import ExportedNode

Values = dict[str, Any]

WHY = {
    "ask_labels_on_launch": "there are no labels",
    "custom_virtualenv": "there are no virtual environments; the job runs in an execution environment",
    "force_handlers": "write force_handlers into the play",
    "galaxy_credentials": "what a project requires is installed with the controller's own ansible.cfg",
    "host_config_key": "there are no provisioning callbacks",
    "labels": "there are no labels",
    "max_hosts": "there is no limit of an organization's hosts",
    "schedules": "there are no schedules; have cron, or a systemd timer, run a playbook",
    "scm_delete_on_update": "each revision gets a new folder, whatever was in the one before",
    "signature_validation_credential": "signatures of projects are not checked",
    "team": "there are no teams",
    "use_fact_cache": "facts are not kept from job to job",
    "user": "there are no users",
    "webhook_credential": "there are no webhooks",
    "webhook_service": "there are no webhooks",
}
NOTIFIED = "notification_templates_"
"""How those lists begin that say who is told of jobs."""
NOTHING: tuple[object, ...] = (None, "", "---", False, 0, [], {})
"""What a field says that nobody has set."""
OF_RELATED = frozenset(("galaxy_credentials", "labels"))
"""Related lists that are something of the object itself, and no mere list of others that name it."""


@dataclass(frozen=True)
class LeftOut:
    """Something of an export that is not imported.

    Attributes:
        kind: ours, or AWX's type where we have none.
        name: the object's.
        organization: the name of its organization, or None.
        option: what of the object; empty for all of it.
        why: why not.
    """

    kind: str
    name: str
    organization: str | None
    option: str
    why: str

    def shown(self) -> Values:
        """For the module's result."""
        return {
            "kind": self.kind,
            "name": self.name,
            "organization": self.organization,
            "option": self.option or None,
            "why": self.why,
        }


@dataclass
class Asset:
    """One object as it is to be stored.

    Attributes:
        key: what it is called.
        given: plain options.
        references: the objects that options name.
        lists: the objects that options list.
        needed: those options of `references` without which the object would be another one.
        nodes: of a workflow.
        left_out: options that are not imported, and why not.
    """

    key: Key
    given: Values = field(default_factory=dict)
    references: dict[str, Reference] = field(default_factory=dict)
    lists: dict[str, list[Reference]] = field(default_factory=dict)
    needed: frozenset[str] = frozenset()
    nodes: list[ExportedNode] = field(default_factory=list)
    left_out: list[tuple[str, str]] = field(default_factory=list)


class Fields:
    """The fields of one asset, taken one by one.

    Attributes:
        asset: what becomes of them.
    """

    def __init__(self, given: Mapping[str, Any], key: Key) -> None:
        self.asset = Asset(key)
        self._given = given
        self._taken = {"name", "natural_key", "organization", "related"}
        related = given.get("related") or {}
        if not isinstance(related, Mapping):
            raise _invalid(f"related must be a mapping, but it is {kind_of(related)}.")
        self._related: Mapping[str, Any] = related

    def take(self, name: str) -> Any:
        """A field's value; None where there is none."""
        self._taken.add(name)
        return self._given.get(name)

    def ignore(self, *names: str) -> None:
        """Fields that mean nothing here."""
        self._taken.update(names)

    def plain(self, *names: str) -> None:
        """Options that are the same in AWX."""
        for name in names:
            value = self.take(name)
            if value is not None:
                self.asset.given[name] = value

    def seconds(self, name: str) -> None:
        """A time limit: less than nothing is none in AWX."""
        value = self.take(name)
        if isinstance(value, int):
            self.asset.given[name] = max(0, value)

    def variables(self, *names: str) -> None:
        """Options that are mappings, and YAML or JSON text in AWX."""
        for name in names:
            self.asset.given[name] = variables_of(self.take(name), name)

    def reference(self, name: str, *, needed: bool = False) -> None:
        """An option that names another object, or none."""
        found = read_key(self.take(name), name)
        if found is not None:
            self.asset.references[name] = found
        elif needed:
            raise _invalid(f"it has no {name}.")
        elif name in self._given:
            self.asset.given[name] = ""
        if needed:
            self.asset.needed |= {name}

    def related(self, name: str) -> Sequence[Any]:
        """What is related to the object by this name."""
        return listed(self._related.get(name), f"related.{name}")

    def listing(self, name: str, option: str | None = None) -> None:
        """An option that lists other objects, where the export says it."""
        if name in self._related:
            keys = [
                read_key(each, f"related.{name}[{index}]") for index, each in enumerate(self.related(name))
            ]
            self.asset.lists[option or name] = [key for key in keys if key is not None]

    def survey(self) -> None:
        """The questions of a template."""
        survey = self._related.get("survey_spec") or {}
        if not isinstance(survey, Mapping):
            raise _invalid(f"related.survey_spec must be a mapping, but it is {kind_of(survey)}.")
        questions = listed(survey.get("spec"), "related.survey_spec.spec")
        if not all(isinstance(question, Mapping) for question in questions):
            raise _invalid("related.survey_spec.spec must be a list of mappings.")
        self.asset.given["survey_spec"] = survey if questions else {}

    def leave(self, option: str, why: str) -> None:
        """Notes that an option is not imported."""
        self.asset.left_out.append((option, why))

    def done(self) -> Asset:
        """What became of the fields; those that nobody has taken have no counterpart."""
        for name, value in self._given.items():
            if name not in self._taken and value not in NOTHING:
                self.leave(name, WHY.get(name, "there is no such option here"))
        for name, value in self._related.items():
            if value and name.startswith(NOTIFIED):
                self.leave(name, "there are no notifications")
            elif value and name in OF_RELATED:
                self.leave(name, WHY[name])
        return self.asset

    @property
    def schedules(self) -> list[str]:
        """The names of its schedules."""
        return [str(each.get("name")) for each in self.related("schedules") if isinstance(each, Mapping)]


def variables_of(given: object, where: str) -> Values:
    """A mapping that AWX keeps as YAML or JSON text.

    Raises:
        Failure: `InvalidConfiguration`, where it is none.
    """
    return plain_mapping(parsed_mapping(given, where), where)


def listed(given: object, place: str) -> Sequence[Any]:
    """A list of an export; empty where there is none.

    Raises:
        Failure: `InvalidConfiguration`, where it is something else.
    """
    if given in (None, {}):
        return []
    if not isinstance(given, (list, tuple)):
        raise _invalid(f"{place} must be a list, but it is {kind_of(given)}.")
    return given


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
