# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Secrets that an export of AWX has not: taken from what the user gives, or from what is stored already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import (
    TYPES,
    credential_type,
)
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    HIDDEN,
    StoredObject,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key

Values = dict[str, Any]
Notes = list[tuple[str, str]]

ASK = "ASK"
"""In AWX: whoever launches a job is asked for it."""
ABSENT = "exports have no secrets; give it in secrets"


class Secrets:
    """The inputs of credentials that the user gives for those of an export."""

    def __init__(self, given: Sequence[Mapping[str, Any]], credentials: Iterable[Key]) -> None:
        """Finds the credential of each.

        Args:
            given: the option: mappings with name, inputs and, where several have the name, organization and
                credential_type.
            credentials: those of the export.

        Raises:
            Failure: `InvalidConfiguration`, where one fits none or several of them.
        """
        keys = list(credentials)
        self._inputs: dict[Key, Values] = {}
        for index, secret in enumerate(given):
            place = f"secrets[{index}]"
            if secret.get("credential_type") is not None:
                credential_type(secret["credential_type"], f"{place}.credential_type")
            fitting = [key for key in keys if _fits(key, secret, place)]
            if len(fitting) != 1:
                many = f"{len(fitting)} credentials" if fitting else "no credential that can be stored"
                more = "; give organization and credential_type, too" if fitting else ""
                raise Failure(
                    "InvalidConfiguration", f"{place} ({secret['name']}) fits {many} of the export{more}."
                )
            self._inputs.setdefault(fitting[0], {}).update(secret["inputs"])

    def inputs(
        self, key: Key, exported: Mapping[str, Any], stored: StoredObject | None
    ) -> tuple[Values, Notes]:
        """The inputs of a credential, and notes about those that it has in AWX, but not here.

        Args:
            key: the credential.
            exported: its inputs in the export.
            stored: the credential as it is here until now.
        """
        rules = TYPES[key.credential_type].inputs
        kept = stored.values["inputs"] if stored is not None else {}
        inputs = {name: value for name, value in kept.items() if name in rules and rules[name].secret}
        notes: Notes = []
        for name, value in exported.items():
            if name not in rules:
                if value not in (None, "", False):
                    notes.append((f"inputs.{name}", f"type {key.credential_type} has no such input here"))
            elif rules[name].secret:
                if name not in inputs and name not in self._inputs.get(key, {}):
                    why = f"nobody can be asked for it; {ABSENT}" if value == ASK else ABSENT
                    notes.append((f"inputs.{name}", why))
            else:
                inputs[name] = value
        return {**inputs, **self._inputs.get(key, {})}, notes


def _fits(key: Key, secret: Mapping[str, Any], place: str) -> bool:
    if key.name != secret["name"] or secret.get("organization") not in (None, key.organization):
        return False
    kind = secret.get("credential_type")
    return kind is None or credential_type(kind, f"{place}.credential_type").name == key.credential_type


def survey_with_secrets(survey: Mapping[str, Any], stored: StoredObject | None) -> tuple[Values, Notes]:
    """A survey whose passwords have the defaults that are stored, or none."""
    before = stored.values["survey_spec"] if stored is not None else {}
    known = {question.get("variable") for question in before.get("spec", ()) if question.get("default")}
    notes: Notes = []
    questions: list[Values] = []
    for question in survey.get("spec", ()):
        questions.append(dict(question))
        if question.get("default") == HIDDEN and question.get("variable") not in known:
            del questions[-1]["default"]
            notes.append(
                (f"survey_spec: the default of {question.get('variable')}", "exports have no secrets")
            )
    return ({**survey, "spec": questions} if questions else {}), notes


def variables_with_secrets(
    identifier: str, exported: Mapping[str, Any], stored: StoredObject | None
) -> tuple[Values, Notes]:
    """The variables of a workflow's node without the secrets that are not stored."""
    nodes = stored.values["workflow_nodes"] if stored is not None else []
    known: Values = next((node.extra_data for node in nodes if node.identifier == identifier), {})
    missing = [name for name, value in exported.items() if value == HIDDEN and name not in known]
    kept = {name: value for name, value in exported.items() if name not in missing}
    return kept, [
        (f"workflow_nodes: {identifier}: extra_data.{name}", "exports have no secrets") for name in missing
    ]
