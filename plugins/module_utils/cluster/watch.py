# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Reading the lines of a watch."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    WatchExpired,
    failure_of,
    words_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

_GONE = 410


@dataclass(frozen=True)
class PodChange:
    """What happened to a pod.

    Attributes:
        kind: `ADDED`, `MODIFIED` or `DELETED`.
        pod: the pod as it is now, or as it was last.
    """

    kind: str
    pod: dict[str, Any] = field(repr=False)


class WatchReader:
    """Puts the pieces of a watch's answer together to changes."""

    def __init__(self, namespace: str, line_limit: int) -> None:
        """Read a watch of pods.

        Args:
            namespace: the watched namespace, for messages.
            line_limit: bytes; an object of Kubernetes is smaller.
        """
        self._namespace = namespace
        self._line_limit = line_limit
        self._rest = b""

    def feed(self, piece: bytes) -> Iterator[PodChange]:
        """The changes that are complete with this piece.

        Raises:
            WatchExpired: the server no longer knows the resource version.
            Unreachable: the server ended the watch with another error.
            Failure: what comes is not a watch.
        """
        *lines, self._rest = (self._rest + piece).split(b"\n")
        if len(self._rest) > self._line_limit:
            raise Failure(
                "APIServerError", f"The watch's answer has a line of more than {self._line_limit} bytes."
            )
        for line in lines:
            if line.strip():
                change = self._change(line)
                if change is not None:
                    yield change

    def _change(self, line: bytes) -> PodChange | None:
        try:
            event = json.loads(line)
            kind, thing = event["type"], event["object"]
        except (ValueError, TypeError, KeyError) as error:
            words = words_of(line)
            raise Failure(
                "APIServerError", "The watch's answer is not a list of changes.", traceback=words
            ) from error
        if kind == "ERROR":
            code = int(thing.get("code") or 500)
            if code == _GONE:
                raise WatchExpired(words_of(thing))
            raise Unreachable(failure_of(code, thing, "watch", "pods", self._namespace))
        return PodChange(kind, thing) if kind in ("ADDED", "MODIFIED", "DELETED") else None
