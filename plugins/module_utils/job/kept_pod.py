# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A pod that stays after its job, for people to look into it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

NEVER = "never"
ON_FAILURE = "on_failure"
ALWAYS = "always"
KEEP_POD = (NEVER, ON_FAILURE, ALWAYS)
"""When a job's pod is kept."""
DEFAULT_TTL = 3600
"""Seconds for which it is, where nobody says otherwise."""


@dataclass(frozen=True)
class KeptPod:
    """A pod that is kept.

    Attributes:
        namespace: the pod's.
        name: the pod's.
        container: name of the worker container.
        runs: the supervisor waits in it, so that it can be entered; else it has ended by itself.
        seconds: for which it is kept.
    """

    namespace: str
    name: str
    container: str
    runs: bool
    seconds: int

    def as_fact(self) -> dict[str, Any]:
        """What a job's row does not have in columns of its own."""
        return {"container": self.container, "runs": self.runs, "seconds": self.seconds}

    def how_to_look(self, how_long: str = "") -> str:
        """What to tell people who want to look into it.

        Args:
            how_long: it stays, where that is known better than by its seconds, for example "until tomorrow".
        """
        pod = f"-n {self.namespace} {self.name}"
        look = f"`kubectl exec -it {pod} -c {self.container} -- sh`"
        if not self.runs:
            look = (
                f"it has ended, so it can't be entered, but `kubectl describe pod {pod}` and"
                f" `kubectl logs {pod} --all-containers` show what is left of it"
            )
        return (
            f"The pod stays {how_long or f'for {self.seconds} s'} to be looked into: {look}."
            f" Remove it with `kubectl delete pod {pod}`."
        )
