# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names of hosts in a YAML inventory, with ranges and ports, as Ansible itself reads them."""

from __future__ import annotations

from collections.abc import Sequence

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


def expanded(pattern: str) -> tuple[Sequence[str], int | None]:
    """The hosts that a name in an inventory stands for, and their port, where it gives one.

    Args:
        pattern: a name, perhaps with ranges and a port: `web[01:20].example.com:2222`.

    Raises:
        Failure: `InventoryInvalid`, where a range is none.
    """
    if "[" not in pattern and ":" not in pattern:
        return (pattern,), None
    # Imported here, since it takes a while, and few inventories need it.
    # pylint: disable=ansible-bad-module-import  # no module: it runs where ansible-core is
    from ansible.errors import AnsibleError
    from ansible.parsing.utils.addresses import parse_address
    from ansible.plugins.inventory import detect_range, expand_hostname_range

    # pylint: enable=ansible-bad-module-import

    try:
        name, port = parse_address(pattern, allow_ranges=True)
    except AnsibleError:
        name, port = pattern, None  # no address; Ansible takes it as it is
    if not detect_range(name):
        return (name,), port
    try:
        names = tuple(expand_hostname_range(name))
    except (AnsibleError, ValueError) as exc:
        raise Failure("InventoryInvalid", f"The host name {pattern!r} has no valid range: {exc}.") from exc
    if not names:
        raise Failure("InventoryInvalid", f"The host name {pattern!r} has a range with nothing in it.")
    return names, port
