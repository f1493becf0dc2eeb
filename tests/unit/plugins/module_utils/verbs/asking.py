# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A feed that keeps what it is told, and requests for a verb."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.verbs.arguments import validated
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.feed import LauncherFeed, Message
from ansible_collections.jobpods.controller.plugins.module_utils.verbs.request import Request


class KeptFeed(LauncherFeed):
    """A feed without a launcher.

    Attributes:
        messages: what was told.
    """

    def __init__(self) -> None:
        self.messages: list[Message] = []

    def tell(self, message: Message) -> None:
        self.messages.append(message)

    def steps(self, verbosity: int = 0) -> list[str]:
        """The steps that a user sees who asks for so much."""
        return [
            message["text"]
            for message in self.messages
            if message["type"] == "step" and message["verbosity"] <= verbosity
        ]

    @property
    def warnings(self) -> list[str]:
        return [message["text"] for message in self.messages if message["type"] == "warning"]


def request_for(
    verb: str, folder: Path, /, *, check: bool = False, diff: bool = False, **options: Any
) -> Request:
    """A request with a store and a home in the folder, whose options are validated as the action does."""
    params = validated(verb, {"data_dir": str(folder / "store"), **options})
    environment = {
        name: "" for name in ("KUBECONFIG", "KUBERNETES_SERVICE_HOST", "HTTPS_PROXY", "https_proxy")
    }
    return Request(
        verb,
        params,
        str(folder),
        check=check,
        diff=diff,
        environment={**environment, "HOME": str(folder)},
    )
