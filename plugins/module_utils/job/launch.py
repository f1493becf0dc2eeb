# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A launch: the module's parameters, read and validated whole before anything is started."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.access import NAMESPACE
from ansible_collections.jobpods.controller.plugins.module_utils.controller.inventory_content import (
    checked_content,
)
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import (
    Credentials,
    MachineCredential,
    VaultCredential,
    read_credentials,
    read_registry,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.escapes import NAME_LIMIT, one_line
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import (
    DEFAULT_TTL as DEFAULT_KEPT,
)
from ansible_collections.jobpods.controller.plugins.module_utils.job.kept_pod import NEVER
from ansible_collections.jobpods.controller.plugins.module_utils.job.limits import (
    DEFAULT_OUTPUT,
    LIMITS,
    LOST_ATTACHED,
    LOST_DETACHED,
    MAX_SECONDS,
    MAX_SLICES,
    MOST_OUTPUT,
    OutputLimits,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.spec import (
    ExecutionEnvironment,
    parse_override,
    worker_image,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.warm import (
    DEFAULT_TTL,
    LEAST_TTL,
    MOST,
    WarmPods,
)

CONNECTION_OPTIONS = ("kubeconfig", "context", "host", "api_key", "verify_ssl", "ssl_ca_cert")
MISSING = "does not exist"
_HOST = re.compile(r"""[^\s{}"'/\\]+""")
"""With ports, ranges like web[1:3] and addresses of any kind, but no piece of a document."""
_LABELS = "lower-case letters, digits and -, at most 63 of them"

DEFAULTS: dict[str, Any] = {
    "become_enabled": False,
    "cancel_grace": 5,
    "credentials": [],
    "diff_mode": False,
    "extra_vars": {},
    "extra_vars_are_templates": False,
    "forks": 0,
    "job_slice_count": 1,
    "job_type": "run",
    "keep_pod": NEVER,
    "keep_pod_ttl": DEFAULT_KEPT,
    "limit": "",
    **asdict(DEFAULT_OUTPUT),
    "retry_on_node_loss": False,
    "scm_branch": "",
    "skip_tags": [],
    "start_at_task": "",
    "tags": [],
    "timeout": 0,
    "verbosity": 0,
    "wait": True,
}
"""Of options that neither a launch nor its template says."""


@dataclass(frozen=True)
class Group:
    """The container group of a launch.

    Attributes:
        connection: connection options as given; the environment completes them.
        pod_spec_override: as a mapping.
        execution_environment: that wins over the override's image; None leaves that.
        pod_pending_timeout: seconds from the first create until the worker runs.
        image_pull_timeout: seconds from the first failed pull.
        cluster_outage_timeout: seconds without an answer of the cluster.
        warm: the pods that it keeps ready; None where it asks for none.
    """

    connection: dict[str, Any] = field(repr=False)
    pod_spec_override: dict[str, Any] = field(repr=False)
    execution_environment: ExecutionEnvironment | None
    pod_pending_timeout: int
    image_pull_timeout: int
    cluster_outage_timeout: int
    warm: WarmPods | None = None

    @property
    def image(self) -> str:
        """The image that the worker container runs."""
        return worker_image(self.pod_spec_override, self.execution_environment)


@dataclass(frozen=True)
class InventorySource:
    """Where the hosts come from.

    Attributes:
        kind: a `file` or `folder` of the controller, or `content`.
        path: of the file or folder.
        content: a mapping as the `yaml` inventory plugin reads it.
    """

    kind: Literal["file", "folder", "content"]
    path: str = ""
    content: dict[str, Any] = field(default_factory=dict, repr=False)


@dataclass(frozen=True)
class Launch:
    """All that a job is started from; has secrets in it. An ad hoc command has a module, and no playbook."""

    name: str
    group: Group
    namespace: str
    project: str
    playbook: str
    inventory: InventorySource
    extra_vars: dict[str, Any] = field(repr=False)
    credentials: Credentials
    limit: str
    tags: tuple[str, ...]
    skip_tags: tuple[str, ...]
    start_at_task: str
    forks: int
    verbosity: int
    check: bool
    diff: bool
    become_enabled: bool
    timeout: int
    wait: bool
    cancel_grace: int
    controller_lost_timeout: int
    output_limits: OutputLimits
    keep_pod: str
    keep_pod_ttl: int
    retry_on_node_loss: bool = False
    module_name: str = ""
    module_args: str = field(default="", repr=False)
    extra_vars_are_templates: bool = False

    def to_stored(self) -> dict[str, Any]:
        """As JSON can carry it; to be sealed."""
        return asdict(self)

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Launch:
        """What `to_stored` made."""
        group, credentials = stored["group"], stored["credentials"]
        environment = group["execution_environment"]
        return cls(
            **{
                **stored,
                "group": Group(
                    **{
                        **group,
                        "execution_environment": (
                            ExecutionEnvironment.from_stored(environment) if environment else None
                        ),
                        "warm": WarmPods(**group["warm"]) if group["warm"] else None,
                    }
                ),
                "inventory": InventorySource(**stored["inventory"]),
                "credentials": Credentials(
                    MachineCredential(**credentials["machine"]),
                    tuple(VaultCredential(**vault) for vault in credentials["vaults"]),
                ),
                "output_limits": OutputLimits(**stored["output_limits"]),
                "tags": tuple(stored["tags"]),
                "skip_tags": tuple(stored["skip_tags"]),
            }
        )


def read_launch(params: Mapping[str, Any], folder: Path, *, check: bool, diff: bool) -> Launch:
    """Reads and validates the parameters of `container_group_job`, or of `ad_hoc_command`.

    Args:
        params: after the argument spec.
        folder: relative paths start here.
        check: the caller runs in check mode, so the playbook does.
        diff: the caller runs in diff mode, so the playbook does.

    Raises:
        Failure: `InvalidConfiguration`, `ProjectNotFound`, `PlaybookNotFound` or `InventoryInvalid`; its
            message names the option, what was wrong, and what would be right.
    """
    params = {**DEFAULTS, **{name: value for name, value in params.items() if value is not None}}
    module = params.get("module_name") or ""
    _number("job_slice_count", params["job_slice_count"], 1, MAX_SLICES)
    project = "" if module else str(_project(params["project"], folder))
    playbook = "" if module else _playbook(params["playbook"], Path(project))
    given_group = params.get("container_group") or {}
    group = _group(given_group, params)
    wait = bool(params["wait"])
    lost = params.get("controller_lost_timeout")
    lost = (LOST_ATTACHED if wait else LOST_DETACHED) if lost is None else lost
    if lost <= group.cluster_outage_timeout:
        raise _invalid(
            f"controller_lost_timeout ({lost} s) must be longer than cluster_outage_timeout"
            f" ({group.cluster_outage_timeout} s), else a pod would give up while its controller still"
            " connects."
        )
    return Launch(
        name=launch_name(params.get("name"), playbook or module),
        group=group,
        namespace=_namespace(given_group.get("namespace"), group.pod_spec_override),
        project=project,
        playbook=playbook,
        inventory=read_inventory(params["inventory"], folder),
        extra_vars=dict(params.get("extra_vars") or {}),
        credentials=read_credentials(params.get("credentials") or (), "credential" if module else ""),
        limit=params.get("limit") or "",
        tags=_tags("tags", params),
        skip_tags=_tags("skip_tags", params),
        start_at_task=params.get("start_at_task") or "",
        forks=_number("forks", params["forks"], 0, 1000),
        verbosity=params["verbosity"],
        check=check or params["job_type"] == "check",
        diff=diff or bool(params["diff_mode"]),
        become_enabled=bool(params["become_enabled"]),
        timeout=_number("timeout", params["timeout"], 0, MAX_SECONDS),
        wait=wait,
        cancel_grace=_number("cancel_grace", params["cancel_grace"], 0, 3600),
        controller_lost_timeout=_number("controller_lost_timeout", lost, 1, MAX_SECONDS),
        output_limits=OutputLimits(
            **{name: _number(name, params[name], 1, most) for name, most in MOST_OUTPUT.items()}
        ),
        retry_on_node_loss=bool(params["retry_on_node_loss"]),
        keep_pod=params["keep_pod"],
        keep_pod_ttl=_number("keep_pod_ttl", params["keep_pod_ttl"], 1, MAX_SECONDS),
        module_name=module,
        module_args=params.get("module_args") or "",
        extra_vars_are_templates=bool(params["extra_vars_are_templates"]),
    )


def launch_name(given: str | None, runs: str) -> str:
    """What a job is called: as somebody says, else by what it runs; in one line."""
    return one_line(given or "", NAME_LIMIT) or one_line(runs, NAME_LIMIT)


def split_tags(text: str) -> list[str]:
    """Tags that are separated by commas."""
    return [tag.strip() for tag in text.split(",") if tag.strip()]


def _project(given: str, folder: Path) -> Path:
    if not given.strip():
        raise Failure("ProjectNotFound", "project is empty; give the folder of the playbook.")
    path = _path(given, folder)
    if not os.path.isdir(path):
        raise Failure(
            "ProjectNotFound", f"project {given!r} {_trouble(path, 'a folder')} (looked at {path})."
        )
    try:
        os.listdir(path)
        os.stat(os.path.join(path, "."))  # which takes the right to enter it
    except OSError as exc:
        raise Failure(
            "ProjectNotFound", f"project {given!r} can't be read: {exc.strerror} (looked at {path})."
        ) from exc
    return path


def _playbook(given: str, project: Path) -> str:
    name = os.path.normpath(given)
    if os.path.isabs(name) or name == ".." or name.startswith("../"):
        raise _invalid(f"playbook {given!r} must be a path within the project, for example site.yml.")
    if not os.path.isfile(project / name):
        there = sorted(path.name for path in project.iterdir() if path.suffix in (".yml", ".yaml"))[:10]
        hint = f" It has {', '.join(there)}." if there else " It has no .yml files at its top."
        raise Failure("PlaybookNotFound", f"playbook {given!r} is not in the project {project}.{hint}")
    if not (project / name).resolve().is_relative_to(project.resolve()):
        raise Failure("PlaybookNotFound", f"playbook {given!r} is a link out of the project {project}.")
    return name


def _group(given: Mapping[str, Any], params: Mapping[str, Any]) -> Group:
    limits = {}
    for name, default in LIMITS.items():
        ours, groups = params.get(name), given.get(name)
        chosen = groups if ours is None else ours
        limits[name] = _number(name, default if chosen is None else chosen, 1, MAX_SECONDS)
    environment = params.get("execution_environment") or given.get("execution_environment")
    return Group(
        connection={name: given.get(name) for name in CONNECTION_OPTIONS},
        pod_spec_override=parse_override(given.get("pod_spec_override")),
        execution_environment=_execution_environment(environment),
        warm=_warm(given),
        **limits,
    )


def _warm(given: Mapping[str, Any]) -> WarmPods | None:
    """What a container group says of warm pods; its revision is of its own pod, not of a job's image."""
    count = _number("warm_pods", given.get("warm_pods") or 0, 0, MOST)
    ttl = given.get("warm_pod_ttl")
    ttl = _number("warm_pod_ttl", DEFAULT_TTL if ttl is None else ttl, LEAST_TTL, MAX_SECONDS)
    own = given.get("execution_environment") or {}
    said = (given.get("pod_spec_override"), own.get("image"), own.get("pull"))
    revision = hashlib.sha256(json.dumps(said, sort_keys=True, default=str).encode()).hexdigest()
    return WarmPods(count, ttl, str(given.get("id") or ""), revision) if count else None


def _execution_environment(given: Mapping[str, Any] | None) -> ExecutionEnvironment | None:
    if given is None:
        return None
    image = str(given["image"] or "").strip()
    if not image or any(char.isspace() for char in image):
        raise _invalid(
            f"execution_environment.image is {given['image']!r}; give a reference like quay.io/org/image:tag."
        )
    credential = given.get("credential")
    registry = None
    if credential is not None:
        registry = read_registry(credential, "execution_environment.credential")
    return ExecutionEnvironment(image, given.get("pull"), registry)


def _namespace(given: str | None, override: Mapping[str, Any]) -> str:
    """The group's, else the override's, else `default`, as in AWX."""
    name, where = given, "container_group.namespace"
    if not name:
        name, where = (
            (override.get("metadata") or {}).get("namespace"),
            "pod_spec_override: metadata.namespace",
        )
    name = str(name or "default")
    if not NAMESPACE.fullmatch(name):
        raise _invalid(f"{where} is {name!r}; a namespace's name has {_LABELS}.")
    return name


def read_inventory(given: object, folder: Path) -> InventorySource:
    """Reads the option `inventory`: a mapping, a comma list, a path, or what was read already.

    Raises:
        Failure: `InventoryInvalid`, where it is none of these; it says what was looked for.
    """
    if isinstance(given, InventorySource):
        return given
    if isinstance(given, Mapping):
        return InventorySource("content", content=_inventory_mapping(given))
    if isinstance(given, (list, tuple)) and all(isinstance(host, str) for host in given):
        given = ",".join(given) + ","
    if not isinstance(given, (str, os.PathLike)) or not str(given).strip():
        raise Failure(
            "InventoryInvalid",
            "inventory must be a path, a mapping, a list of hosts like web1,web2 or current.",
        )
    text = str(given).strip()
    if "\n" in text:
        # It is not shown: an inventory may have passwords in it.
        raise Failure(
            "InventoryInvalid",
            "inventory is a text of several lines; give a path, a mapping (from text with the filter"
            " from_yaml) or a list of hosts like web1,web2.",
        )
    if "," in text:
        return InventorySource("content", content={"all": {"hosts": dict.fromkeys(_hosts(text), {})}})
    path = _path(text, folder)
    if os.path.isdir(path):
        return InventorySource("folder", str(path))
    if os.path.isfile(path):
        return InventorySource("file", str(path))
    trouble = _trouble(path, "a file or folder")
    if "/" in text or trouble != MISSING:
        raise Failure("InventoryInvalid", f"inventory {text!r} {trouble} (looked at {path}).")
    raise Failure(
        "InventoryInvalid",
        f"inventory {text!r} is not a path (looked at {path});"
        f" a single host is written with a comma: '{text},'.",
    )


def _hosts(text: str) -> list[str]:
    """The hosts of a comma list."""
    hosts = [host.strip() for host in text.split(",") if host.strip()]
    if not hosts:
        raise Failure("InventoryInvalid", f"inventory {text!r} names no host; give hosts like web1,web2.")
    for number, host in enumerate(hosts, 1):
        if not _HOST.fullmatch(host):
            raise Failure(
                "InventoryInvalid",
                f"inventory has a comma, so it is a list of hosts, but its item {number} is no host name;"
                " give hosts like web1,web2, a mapping, or a path without a comma.",
            )
    return hosts


def _inventory_mapping(given: Mapping[Any, Any]) -> dict[str, Any]:
    content = checked_content(given, "inventory")
    if not content:
        raise Failure(
            "InventoryInvalid", "inventory is an empty mapping; give at least one group with hosts."
        )
    return content


def _path(given: str, folder: Path) -> Path:
    return folder / os.path.expanduser(given)


def _trouble(path: Path, wanted: str) -> str:
    """Why a path is not what is wanted, as the end of a sentence."""
    try:
        path.stat()
    except FileNotFoundError:
        return MISSING
    except OSError as exc:
        return f"can't be read: {exc.strerror}"
    except ValueError:
        return "is no path"  # it has a null character
    return f"is not {wanted}"


def _tags(name: str, params: Mapping[str, Any]) -> tuple[str, ...]:
    return tuple(tag for entry in params.get(name) or () for tag in split_tags(str(entry)))


def _number(name: str, value: int, least: int, most: int) -> int:
    if not least <= value <= most:
        raise _invalid(f"{name} is {value}; it must be from {least} to {most}.")
    return int(value)


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
