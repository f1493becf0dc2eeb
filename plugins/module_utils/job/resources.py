# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a job used beside what its pod asks for, and what it should better ask for."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from fractions import Fraction
from typing import Any

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

MARGIN = Fraction(5, 4)
"""What is suggested, for each that was used."""
MEBIBYTE = 1 << 20
CPU_STEP = 10
"""Thousandths of a CPU to which a suggestion is rounded up."""

_QUANTITY = re.compile(r"([0-9]+(?:\.[0-9]*)?|\.[0-9]+)(m|[kMGTPE]|[KMGTPE]i|[eE][+-]?[0-9]{1,2})?")
_UNITS: dict[str, int] = {
    "": 1,
    **{suffix: 1000**power for power, suffix in enumerate("kMGTPE", 1)},
    **{f"{suffix}i": 1024**power for power, suffix in enumerate("KMGTPE", 1)},
}


@dataclass(frozen=True)
class PodResources:
    """What a worker container asks for, as the API server shows it: defaults of the namespace are in it.

    Attributes:
        requests: quantities by the names of resources.
        limits: the same.
    """

    requests: dict[str, str] = field(default_factory=dict)
    limits: dict[str, str] = field(default_factory=dict)

    @property
    def memory_limit(self) -> str:
        """The container's; empty where it has none."""
        return self.limits.get("memory", "")


@dataclass(frozen=True)
class Used:
    """What was measured; each is None where it can't be.

    Attributes:
        memory_peak: bytes.
        cpu_p95: CPUs, which 95 % of all seconds did not exceed.
        cpu_seconds: CPU time.
    """

    memory_peak: int | None = None
    cpu_p95: float | None = None
    cpu_seconds: float | None = None


def pod_resources(pod: Mapping[str, Any], worker: str) -> PodResources:
    """Reads a pod document.

    Args:
        pod: as the API server sends it.
        worker: name of the worker container.
    """
    for container in (pod.get("spec") or {}).get("containers") or ():
        if container.get("name") == worker:
            found = container.get("resources") or {}
            kinds = [found.get(kind) or {} for kind in ("requests", "limits")]
            return PodResources(*({str(name): str(each[name]) for name in sorted(each)} for each in kinds))
    return PodResources()


def job_resources(used: Used, asked: PodResources, *, out_of_memory: bool = False) -> dict[str, Any] | None:
    """The value of `resources` in a job's result; None where nothing is known of what it used.

    Args:
        used: what the job used.
        asked: what its pod asks for.
        out_of_memory: it was killed for want of memory, and would have used more.
    """
    if used == Used() and not (out_of_memory and asked.memory_limit):
        return None
    return {
        "memory_peak": used.memory_peak,
        "cpu_p95": used.cpu_p95,
        "cpu_seconds": used.cpu_seconds,
        "requests": asked.requests,
        "limits": asked.limits,
        "suggested_requests": _suggested(used, asked, out_of_memory),
    }


def _suggested(used: Used, asked: PodResources, out_of_memory: bool) -> dict[str, str]:
    suggested: dict[str, str] = {}
    if used.cpu_p95 is not None:
        thousandths = round(used.cpu_p95 * 1000) * MARGIN
        suggested["cpu"] = f"{max(1, math.ceil(thousandths / CPU_STEP)) * CPU_STEP}m"
    memory = used.memory_peak
    if out_of_memory:
        memory = max(memory or 0, bytes_of(asked.memory_limit) or 0) or None
    if memory is not None:
        suggested["memory"] = f"{max(1, math.ceil(memory * MARGIN / MEBIBYTE))}Mi"
    return suggested


def bytes_of(quantity: str) -> int | None:
    """The bytes of one of Kubernetes' quantities, such as `300Mi`; None where it is none."""
    match = _QUANTITY.fullmatch(quantity)
    if match is None:
        return None
    number, suffix = Fraction(f"0{match[1]}"), match[2] or ""
    if suffix == "m":
        return math.ceil(number / 1000)
    if suffix in _UNITS:
        return math.ceil(number * _UNITS[suffix])
    return math.ceil(number * Fraction(f"1{suffix}"))


def add_memory(failure: Failure, limit: str, peak: int | None) -> None:
    """Adds the memory limit, and the most that was seen to be used, to the failure of what was killed for it.

    Args:
        failure: to add it to.
        limit: the container's; empty where it is not known.
        peak: bytes; None where it is not known.
    """
    words = []
    if limit:
        words.append(f"the container's memory limit is {limit}")
        failure.details["memory_limit"] = limit
    if peak is not None:
        words.append(f"the most that was seen in use is {math.ceil(peak / MEBIBYTE)}Mi")
        failure.details["memory_peak"] = peak
    if words:
        sentence = "; ".join(words)
        failure.message += f" {sentence[0].upper()}{sentence[1:]}."
