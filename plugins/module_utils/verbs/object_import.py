# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The verb object_import: makes the objects that awx.awx.export wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml
from ansible_collections.jobpods.controller.plugins.module_utils.controller.objects import (
    Change,
    ObjectEditor,
    ObjectStore,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.assets import Export, read_export
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.importer import Imported, Importer
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.keys import Key
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.awx.secrets import Secrets
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.objects import marked
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.opened import open_store
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.registry import Result, Verb
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.watchdog import Launcher

_SAFE_LOADER = getattr(yaml, "CSafeLoader", yaml.SafeLoader)


async def object_import(request: Request, feed: LauncherFeed, launcher: Launcher) -> Result | None:
    """Makes the objects of an export; tells what was done, and what was left out."""
    params, folder = request.params, Path(request.folder)
    root = os.path.expanduser(params["projects_root"])
    if not os.path.isabs(root):
        raise _invalid(
            f"projects_root is {params['projects_root']!r}; it must be an absolute path, as in AWX."
        )
    export = read_export(_assets(params, folder), root)
    credentials = (asset.key for asset in export.assets if asset.key.kind == "credential")
    secrets = Secrets(params["secrets"], credentials)
    async with open_store(request, feed) as opened:
        imported = await opened.calls(
            _imported, opened.store.objects, export, secrets, folder, dry_run=request.check
        )
    if imported.left_out:
        feed.warning(f"{_counted(len(imported.left_out), 'thing')} of the export left out; see left_out")
    return _result(imported, request)


def _imported(
    objects: ObjectStore, export: Export, secrets: Secrets, folder: Path, *, dry_run: bool
) -> Imported:
    def work(editor: ObjectEditor) -> Imported:
        return Importer(export, secrets, editor, folder).run()

    return objects.edit(work, dry_run=dry_run)


# -- what is given --


def _assets(params: Mapping[str, Any], folder: Path) -> Mapping[str, Any]:
    """The assets by the names of their kinds; they may be in a mapping of their own, as in a result."""
    given, path = params["assets"], params["path"]
    if (given is None) == (path is None):
        raise _invalid("give assets or path, one of them.")
    where = "assets" if path is None else "path"
    whole = given if path is None else _read(folder / os.path.expanduser(path))
    if isinstance(whole, Mapping) and isinstance(whole.get("assets"), Mapping):
        whole = whole["assets"]
    if not isinstance(whole, Mapping):
        raise _invalid(
            f"{where} must be what awx.awx.export returns in assets: a mapping of organizations, projects and"
            f" so on; it is {kind_of(whole)}."
        )
    return whole


def _read(path: Path) -> object:
    """A JSON or YAML file."""
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as exc:
        why = exc.strerror if isinstance(exc, OSError) else "it is no text in UTF-8"
        raise _invalid(f"path: {path} can't be read: {why}.") from exc
    try:
        return json.loads(text)
    except ValueError:
        pass  # then it is YAML, which JSON is, too, but reads much slower
    try:
        return yaml.load(text, _SAFE_LOADER)  # noqa: S506 - it makes nothing but plain values
    except yaml.MarkedYAMLError as exc:
        mark = exc.problem_mark or exc.context_mark
        line = f" (line {mark.line + 1})" if mark else ""
        raise _invalid(f"path: {path} is neither JSON nor YAML{line}: {exc.problem}.") from exc
    except (yaml.YAMLError, ValueError, RecursionError) as exc:
        raise _invalid(f"path: {path} is neither JSON nor YAML: {' '.join(str(exc).split())}.") from exc


# -- what is told --


def _result(imported: Imported, request: Request) -> Result:
    changes = imported.changes
    created = [key for key, change in changes.items() if not change.before]
    changed = [key for key, change in changes.items() if change.before and change.changed]
    unchanged = [key for key, change in changes.items() if not change.changed]
    would = "would be" if request.check else "were"
    result: Result = {
        "changed": bool(created or changed),
        "failed": False,
        "msg": (
            f"{_counted(len(created), 'object')} {would} created and {len(changed)} changed;"
            f" {len(unchanged)} are as they should be; {len(imported.left_out)} left out."
        ),
        "created": [_named(key) for key in created],
        "changed_objects": [_named(key) for key in changed],
        "unchanged": [_named(key) for key in unchanged],
        "left_out": [each.shown() for each in imported.left_out],
    }
    if request.diff:
        result["diff"] = [_difference(key, changes[key]) for key in (*created, *changed)]
    return result


def _named(key: Key) -> dict[str, Any]:
    return {"kind": key.kind, "name": key.name, "organization": key.owner}


def _difference(key: Key, change: Change) -> dict[str, Any]:
    header = str(key)
    return {
        "before_header": header,
        "after_header": header,
        "before": change.before,
        "after": marked(change),
    }


def _counted(number: int, what: str) -> str:
    return f"{number} {what}" if number == 1 else f"{number} {what}s"


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)


VERBS: dict[str, Verb] = {"object_import": object_import}
