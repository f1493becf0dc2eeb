# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading kubeconfig files: merging several as kubectl does, and choosing one context."""

from __future__ import annotations

import base64
import binascii
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


@dataclass(frozen=True)
class Entry:
    """One cluster, user or context.

    Attributes:
        name: its name in the kubeconfig.
        fields: its mapping.
        folder: where its relative paths start.
        source: the file (or `inline kubeconfig`) that it is from, for messages.
    """

    name: str
    fields: dict[str, Any] = field(repr=False)
    folder: Path
    source: str

    def text(self, key: str) -> str | None:
        """A field that is text, None where it is absent or empty."""
        value = self.fields.get(key)
        if value is None or value == "":
            return None
        if not isinstance(value, str):
            raise self.invalid(key, "must be text")
        return value

    def path(self, key: str) -> Path | None:
        """A field that is a path, made absolute."""
        value = self.text(key)
        return None if value is None else self.folder / value

    def pem(self, key: str) -> str | None:
        """Text given either inline in base64 (`KEY-data`, which wins) or as a file's path (`KEY`)."""
        inline = self.text(f"{key}-data")
        if inline is not None:
            try:
                return base64.b64decode(inline, validate=False).decode()
            except (binascii.Error, UnicodeDecodeError) as error:
                raise self.invalid(f"{key}-data", "must be PEM text in base64") from error
        file = self.path(key)
        if file is None:
            return None
        try:
            return file.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise self.invalid(key, f"names {file}, which can't be read ({_why(error)})") from error

    def invalid(self, key: str, what: str) -> Failure:
        """The failure of a wrong field; of a CA it is `TLSVerification`, as for every unreadable CA."""
        reason = "TLSVerification" if key.startswith("certificate-authority") else "InvalidConfiguration"
        return Failure(reason, f'The {key} of "{self.name}" in {self.source} {what}.')


@dataclass(frozen=True)
class Context:
    """What a context of a kubeconfig stands for; `user` is None where it names none."""

    name: str
    cluster: Entry
    user: Entry | None
    namespace: str | None


@dataclass
class Kubeconfig:
    """One or several kubeconfig files, merged."""

    source: str
    current_context: str | None = None
    clusters: dict[str, Entry] = field(default_factory=dict)
    users: dict[str, Entry] = field(default_factory=dict)
    contexts: dict[str, Entry] = field(default_factory=dict)

    def choose(self, name: str | None) -> Context:
        """The context of this name, or the current one.

        Raises:
            Failure: `InvalidConfiguration` that lists the contexts there are.
        """
        known = ", ".join(sorted(self.contexts)) or "none"
        chosen = name or self.current_context
        if chosen is None:
            raise _invalid(
                f"{self.source} has no current-context; give the option context (there are: {known})."
            )
        context = self.contexts.get(chosen)
        if context is None:
            what = (
                f'has no context "{chosen}"'
                if name
                else f'has the current-context "{chosen}", which it lacks'
            )
            raise _invalid(f"{self.source} {what} (there are: {known}).")
        cluster = self.clusters.get(context.text("cluster") or "")
        if cluster is None:
            missing = context.text("cluster") or ""
            raise _invalid(
                f'The context "{chosen}" of {self.source} names the cluster "{missing}", which is not in it.'
            )
        user_name = context.text("user")
        if user_name is not None and user_name not in self.users:
            raise _invalid(
                f'The context "{chosen}" of {self.source} names the user "{user_name}", which is not in it.'
            )
        user = self.users[user_name] if user_name is not None else None
        return Context(chosen, cluster, user, context.text("namespace"))


def load_files(files: list[Path], option: str) -> Kubeconfig:
    """Read and merge kubeconfig files: what an earlier file says wins, and missing files are passed over.

    Args:
        files: at least one path.
        option: the option or variable that names them, for messages.

    Raises:
        Failure: `InvalidConfiguration` where no file exists, or one is not a kubeconfig.
    """
    existing = [file for file in files if file.exists()]
    if not existing:
        names = " and ".join(str(file) for file in files)
        raise _invalid(f"{option} names {names}, which does not exist; it must be the path of a kubeconfig.")
    merged = Kubeconfig("kubeconfig " + os.pathsep.join(str(file) for file in existing))
    for file in existing:
        try:
            document = yaml.safe_load(file.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError) as error:
            raise _invalid(f"The kubeconfig {file} ({option}) can't be read: {_why(error)}.") from error
        except yaml.YAMLError as error:
            raise _invalid(f"The kubeconfig {file} ({option}) is not valid YAML{_place(error)}.") from error
        _add(merged, document, file.absolute().parent, f"kubeconfig {file}")
    return merged


def load_mapping(document: Mapping[str, Any]) -> Kubeconfig:
    """A kubeconfig that was given as a mapping instead of a file."""
    merged = Kubeconfig("the inline kubeconfig")
    _add(merged, document, Path.cwd(), merged.source)
    return merged


def _add(merged: Kubeconfig, document: Any, folder: Path, source: str) -> None:
    if document is None:
        return
    if not isinstance(document, Mapping):
        raise _invalid(
            f"The {source} is not a kubeconfig: it must be a mapping with clusters, contexts and users."
        )
    merged.current_context = merged.current_context or document.get("current-context") or None
    for plural, singular, entries in (
        ("clusters", "cluster", merged.clusters),
        ("users", "user", merged.users),
        ("contexts", "context", merged.contexts),
    ):
        items = document.get(plural) or []
        if not isinstance(items, list):
            raise _invalid(f"The {plural} of the {source} must be a list.")
        for item in items:
            fields = item.get(singular) or {} if isinstance(item, Mapping) else None
            if not isinstance(item, Mapping) or "name" not in item or not isinstance(fields, Mapping):
                raise _invalid(
                    f"Each of the {plural} of the {source} must be a mapping with name and {singular}."
                )
            entries.setdefault(str(item["name"]), Entry(str(item["name"]), dict(fields), folder, source))


def _place(error: yaml.YAMLError) -> str:
    """Where YAML went wrong; never the text there, which may be a secret."""
    mark = getattr(error, "problem_mark", None)
    return "" if mark is None else f" (line {mark.line + 1}, column {mark.column + 1})"


def _why(error: OSError | UnicodeDecodeError) -> str:
    return (error.strerror or str(error)) if isinstance(error, OSError) else "not UTF-8 text"


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
