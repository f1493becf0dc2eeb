# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Starts and stops the hosts that the demo manages: two pods with sshd.

demo_hosts.py start KUBECONFIG NAMESPACE IMAGE PUBLIC_KEY   prints an inventory as JSON
demo_hosts.py stop KUBECONFIG NAMESPACE                     removes the namespace
"""

from __future__ import annotations

import contextlib
import json
import sys
import time
from collections.abc import Iterator
from typing import Any

import urllib3
from kubernetes import client, config

NAMES = ("web1", "web2")
START_LIMIT = 180.0
ACCOUNT_LIMIT = 60.0
REQUEST_LIMIT = 10.0
NO_SSHD = 127
SCRIPT = f"""
test -x /usr/sbin/sshd || exit {NO_SSHD}
mkdir -p /run/sshd /root/.ssh
chmod 700 /root/.ssh
printf '%s\\n' "$PUBLIC_KEY" > /root/.ssh/authorized_keys
ssh-keygen -A > /dev/null
exec /usr/sbin/sshd -D -e
"""


def start(kubeconfig: str, namespace: str, image: str, public_key: str) -> dict[str, Any]:
    """Starts the hosts, and waits until they take connections; returns an inventory."""
    core = _connect(kubeconfig)
    labels = {"app.kubernetes.io/part-of": "jobpods-demo"}
    core.create_namespace(
        client.V1Namespace(metadata=client.V1ObjectMeta(name=namespace, labels=labels)),
        _request_timeout=REQUEST_LIMIT,
    )
    _await_service_account(core, namespace)
    for name in NAMES:
        core.create_namespaced_pod(namespace, _manifest(name, image, public_key))
    deadline = time.monotonic() + START_LIMIT
    addresses: dict[str, str] = {}
    while len(addresses) < len(NAMES):
        if time.monotonic() > deadline:
            raise SystemExit(
                f"the demo's hosts were not ready after {START_LIMIT:.0f} s,"
                f" see: kubectl -n {namespace} get pods"
            )
        for name in NAMES:
            pod = core.read_namespaced_pod(name, namespace)
            _refuse_failed(pod, image)
            status = pod.status
            if (
                status
                and status.pod_ip
                and any(entry.type == "Ready" and entry.status == "True" for entry in status.conditions or ())
            ):
                addresses[name] = status.pod_ip
        time.sleep(0.2)
    hosts = {name: {"ansible_host": address} for name, address in addresses.items()}
    return {"web": {"hosts": hosts, "vars": {"ansible_python_interpreter": "/usr/bin/python3"}}}


def stop(kubeconfig: str, namespace: str) -> None:
    """Removes the namespace with all that is in it; doesn't wait for it."""
    core = _connect(kubeconfig)
    for name in NAMES:
        with _where_it_is():
            core.delete_namespaced_pod(name, namespace, grace_period_seconds=0)
    with _where_it_is():
        core.delete_namespace(namespace, _request_timeout=REQUEST_LIMIT)


@contextlib.contextmanager
def _where_it_is() -> Iterator[None]:
    """What is not there needs no removal."""
    try:
        yield
    except client.ApiException as exc:
        if exc.status != 404:
            raise


def _connect(kubeconfig: str) -> client.CoreV1Api:
    connection = config.new_client_from_config(config_file=kubeconfig)  # type: ignore[no-untyped-call]
    return client.CoreV1Api(connection)


def _await_service_account(core: client.CoreV1Api, namespace: str) -> None:
    """A new namespace takes pods only when its default service account is there."""
    deadline = time.monotonic() + ACCOUNT_LIMIT
    while True:
        try:
            core.read_namespaced_service_account("default", namespace)
            return
        except client.ApiException as exc:
            if exc.status != 404:
                raise
        if time.monotonic() > deadline:
            raise SystemExit(
                f"namespace {namespace} has no default service account after {ACCOUNT_LIMIT:.0f} s"
            )
        time.sleep(0.05)


def _manifest(name: str, image: str, public_key: str) -> Any:
    """A pod as a mapping, which the client takes, too, though its types don't say so."""
    container = {
        "name": "sshd",
        "image": image,
        "imagePullPolicy": "IfNotPresent",
        "command": ["sh", "-c", SCRIPT],
        "env": [{"name": "PUBLIC_KEY", "value": public_key}],
        "ports": [{"containerPort": 22}],
        "readinessProbe": {"tcpSocket": {"port": 22}, "periodSeconds": 1},
    }
    spec = {
        "containers": [container],
        "restartPolicy": "Never",
        "automountServiceAccountToken": False,
        "terminationGracePeriodSeconds": 1,
    }
    return {"metadata": {"name": name}, "spec": spec}


def _refuse_failed(pod: Any, image: str) -> None:
    for status in pod.status.container_statuses or ():
        state = status.state
        if state.terminated and state.terminated.exit_code == NO_SSHD:
            raise SystemExit(f"the image {image} has no /usr/sbin/sshd; give one that has as HOST_IMAGE")
        if state.terminated:
            raise SystemExit(
                f"host {pod.metadata.name} ended: {state.terminated.reason} {state.terminated.message}"
            )
        if state.waiting and state.waiting.reason in (
            "InvalidImageName",
            "ErrImageNeverPull",
            "ImagePullBackOff",
        ):
            raise SystemExit(f"host {pod.metadata.name} can't start: {state.waiting.message}")


def main(arguments: list[str]) -> int:
    """Does what the first argument says; ends with one line where the cluster does not let it."""
    try:
        return _obey(arguments)
    except client.ApiException as exc:
        words = exc.body if isinstance(exc.body, str) else ""
        with contextlib.suppress(ValueError, KeyError, TypeError):
            words = json.loads(words)["message"]
        raise SystemExit(f"the API server says {exc.status} {exc.reason}: {words}") from None
    except (config.ConfigException, urllib3.exceptions.HTTPError, OSError) as exc:
        raise SystemExit(f"the cluster of {arguments[1]} can't be reached: {exc}") from None


def _obey(arguments: list[str]) -> int:
    if len(arguments) == 5 and arguments[0] == "start":
        print(json.dumps(start(*arguments[1:])))
        return 0
    if len(arguments) == 3 and arguments[0] == "stop":
        stop(*arguments[1:])
        return 0
    sys.stderr.write(str(__doc__))
    return 2


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
