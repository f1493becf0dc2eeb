# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the collection's inventory plugins share: the store, a cache of what they read, constructed groups."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ansible import constants
from ansible.errors import AnsibleParserError
from ansible.inventory.helpers import get_group_vars
from ansible.module_utils.basic import missing_required_lib
from ansible.plugins.inventory import BaseInventoryPlugin, Cacheable, Constructable
from ansible.utils.vars import combine_vars
from ansible_collections.jobpods.controller.plugins.module_utils.controller.places import store_options
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.launcher import LIBRARIES
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.option_checks import troubles

if TYPE_CHECKING:
    from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore

STORE_OPTIONS = ("database_url", "secret_key_file", "data_dir")


KINDS = {"boolean": "bool", "integer": "int", "string": "str", "dictionary": "dict"}
"""Names that documentation has for types, too."""


def _spec(option: Mapping[str, Any]) -> dict[str, Any]:
    """What an argument spec would say of a documented option; one of the environment's is not missed."""
    kind = str(option.get("type") or "raw")
    found = {name: option[name] for name in ("choices", "elements", "aliases") if option.get(name)}
    required = bool(option.get("required")) and not option.get("env")
    return {**found, "type": KINDS.get(kind, kind), "required": required}


class StoreInventoryPlugin(BaseInventoryPlugin, Constructable, Cacheable):  # type: ignore[misc]  # no types
    """An inventory plugin that reads the store.

    Attributes:
        endings: what the names of files end with that configure the plugin.
        own_options: those that decide what is read, beside the store's.
    """

    endings: tuple[str, ...] = ()
    own_options: tuple[str, ...] = ()

    def verify_file(self, path: str) -> bool:
        """Whether a file may be this plugin's: by its name."""
        return bool(super().verify_file(path)) and path.endswith(self.endings)

    def parse(self, inventory: Any, loader: Any, path: str, cache: bool = True) -> None:
        """Reads the configuration, then the store or what is cached of it, and fills the inventory."""
        super().parse(inventory, loader, path, cache)
        self._check(loader.load_from_file(path))
        self._read_config_data(path)
        try:
            self.fill(self._cached(path, cache), path)
        except Failure as failure:
            # Not from it: Ansible would say the same twice.
            raise AnsibleParserError(f"{failure.message} {failure.hint}".strip()) from None

    def _check(self, given: object) -> None:
        """Refuses options that Ansible would take for something else, or not look at.

        Raises:
            AnsibleParserError: with a sentence for each wrong option.
        """
        if not isinstance(given, Mapping):
            return  # which Ansible says itself
        known = {str(name): value for name, value in given.items() if value is not None}
        plain = {name: value for name, value in known.items() if "{{" not in str(value)}
        documented = constants.config.get_configuration_definitions("inventory", self._load_name)
        wrong = troubles(plain, {name: _spec(option) for name, option in documented.items()}, "", self.NAME)
        if wrong:
            raise AnsibleParserError(" ".join(wrong))

    def read(self) -> Any:
        """What is read, as JSON knows it, and kept in the cache."""
        raise NotImplementedError

    def fill(self, found: Any, path: str) -> None:
        """Fills the inventory with what was read, or cached.

        Args:
            found: what `read` returned.
            path: the configuration's file.
        """
        raise NotImplementedError

    def construct(self, host: str) -> None:
        """Adds what compose, groups and keyed_groups say of a host."""
        strict = self.get_option("strict")
        self._set_composite_vars(self.get_option("compose"), self._variables(host), host, strict=strict)
        variables = self._variables(host)  # with those that have just been composed
        constructed = {"host": host, "strict": strict, "fetch_hostvars": False}
        self._add_host_to_composed_groups(self.get_option("groups"), variables, **constructed)
        self._add_host_to_keyed_groups(self.get_option("keyed_groups"), variables, **constructed)

    def _variables(self, name: str) -> dict[str, Any]:
        host = self.inventory.get_host(name)
        # Only when all sources are read, everything is in `all`.
        everywhere = self.inventory.groups["all"].get_vars()
        known: dict[str, Any] = combine_vars(everywhere, get_group_vars(host.get_groups()))
        known = combine_vars(known, host.get_vars())
        return known

    def _cached(self, path: str, cache: bool) -> Any:
        """What is cached of the same options; else it is read, and cached where the options ask for that."""
        if not self.get_option("cache"):
            return self.read()
        chosen = {name: self.get_option(name) for name in (*STORE_OPTIONS, *self.own_options)}
        digest = hashlib.sha256(json.dumps(chosen, sort_keys=True).encode("ascii")).hexdigest()
        key = f"{self.get_cache_key(path)}_{digest[:16]}"
        if cache:
            try:
                return json.loads(self._cache[key]["json"])
            except KeyError:  # it is not there, or too old
                pass
        found = self.read()
        # As a text, since caches take Ansible's marks in it for what they mean, and don't give them back.
        self._cache[key] = {"json": json.dumps(found)}
        return found

    @contextmanager
    def opened_store(self) -> Iterator[JobStore]:
        """The store that the plugin's options name.

        Raises:
            AnsibleParserError: a library is missing.
            Failure: there is no such store, or it can't be opened.
        """
        options = store_options(
            {name: self.get_option(name) for name in STORE_OPTIONS}, os.environ, Path.home()
        )
        try:
            from ansible_collections.jobpods.controller.plugins.module_utils.controller.jobs import JobStore
        except ModuleNotFoundError as exc:
            library = str(exc.name).partition(".")[0]
            raise AnsibleParserError(missing_required_lib(LIBRARIES.get(library, library))) from exc
        file = options.database_file
        if file is not None and not file.exists():
            raise Failure(
                "InvalidConfiguration",
                f"There is no store {file}; give database_url or data_dir as the modules of this collection"
                " have them.",
            )
        store = JobStore.open(options)
        try:
            for warning in store.warnings:
                self.display.warning(warning)
            yield store
        finally:
            store.close()
