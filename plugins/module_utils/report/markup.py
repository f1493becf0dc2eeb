# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""HTML in which nothing but our own elements can be: every other text is escaped where it is put in."""

from __future__ import annotations

import html
from collections.abc import Iterable

from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import plain_text


class Markup(str):
    """Text that is HTML already."""

    __slots__ = ()


def escaped(text: str) -> Markup:
    """A text as it is to be read, in an element or in an attribute's quotes, without control characters."""
    return text if isinstance(text, Markup) else Markup(html.escape(plain_text(text)))


def joined(parts: Iterable[str]) -> Markup:
    """Parts one after the other; those that are no `Markup` are escaped."""
    return Markup("".join(map(escaped, parts)))


def element(name: str, *content: str, **attributes: str | int | bool | None) -> Markup:
    """An element; what of its content is no `Markup` is escaped, and so is every attribute.

    Args:
        name: the element's.
        content: what is in it.
        attributes: `class_` is `class`, `aria_label` is `aria-label`; False and None are left out.
    """
    given = "".join(
        f" {key.rstrip('_').replace('_', '-')}" + ("" if value is True else f'="{escaped(str(value))}"')
        for key, value in attributes.items()
        if value is not None and value is not False
    )
    return Markup(f"<{name}{given}>{joined(content)}</{name}>")
