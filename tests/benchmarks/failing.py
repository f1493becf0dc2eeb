# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How long it takes until a connection that can't work is said to be one, and in which words."""

from __future__ import annotations

import base64
import http.server
import json
import signal
import socket
import threading
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from functools import partial
from pathlib import Path
from typing import Any

from ansible_collections.jobpods.controller.tests.benchmarks import kubectl, ours, workloads
from ansible_collections.jobpods.controller.tests.benchmarks.bench import Bench, Contender, Samples
from ansible_collections.jobpods.controller.tests.benchmarks.measure import Sample
from ansible_collections.jobpods.controller.tests.benchmarks.receptor import Client, Receptor, running
from ansible_collections.jobpods.controller.tests.benchmarks.side_by_side import (
    ENGINE,
    KUBECTL,
    RECEPTOR,
    as_section,
)
from ansible_collections.jobpods.controller.tests.benchmarks.workloads import Workload
from ansible_collections.jobpods.controller.tests.unit.plugins.module_utils.cluster.authority import (
    Authority,
    server_context,
)

OUR_PATIENCE = 150.0
PATIENCE = 40.0
"""Seconds after which a contender is said to have no answer."""


class _Stranger(http.server.BaseHTTPRequestHandler):
    """A web server that is no Kubernetes; with a status of 503 it stands for a broken one."""

    status = 200

    def _answer(self) -> None:
        body = b"<html>welcome</html>"
        self.send_response(self.status)
        self.send_header("Content-Type", "text/html")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_POST = do_DELETE = _answer  # noqa: N815 - the names that http.server looks for

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name that http.server gives it
        """Says nothing."""


class _Broken(_Stranger):
    status = 503


@contextmanager
def _web_server(folder: Path, handler: type[_Stranger], authority: Authority) -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        context = server_context(folder, *authority.issue("127.0.0.1"))
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"https://127.0.0.1:{server.server_port}"
        server.shutdown()


def kubeconfigs(bench: Bench, stack: ExitStack) -> dict[str, Path]:
    """A kubeconfig for each way in which a connection can't work."""
    admin = json.loads(bench.kubeconfig.read_text(encoding="utf-8"))["clusters"][0]["cluster"]
    other = Authority("other")
    folder = bench.folder / "connections"
    folder.mkdir()

    def text_of(authority: Authority) -> str:
        return base64.b64encode(authority.pem.encode()).decode()

    def made(name: str, token: str = "x", **changes: str) -> Path:  # noqa: S107 - no secret
        content = {
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "c", "cluster": {**admin, **changes}}],
            "users": [{"name": "u", "user": {"token": token}}],
            "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
            "current-context": "c",
        }
        path = folder / name
        path.write_text(json.dumps(content), encoding="utf-8")
        return path

    closed = stack.enter_context(socket.socket())
    closed.bind(("127.0.0.1", 0))  # taken, but nobody listens
    silent = stack.enter_context(
        socket.create_server(("127.0.0.1", 0))
    )  # takes connections, and says nothing
    stranger = stack.enter_context(_web_server(folder / "stranger", _Stranger, other))
    broken = stack.enter_context(_web_server(folder / "broken", _Broken, other))
    data = "certificate-authority-data"
    return {
        "NameResolution": made("name", server="https://kubernetes.invalid:6443"),
        "ConnectionRefused": made("refused", server=f"https://127.0.0.1:{closed.getsockname()[1]}"),
        "ConnectionTimeout": made("timeout", server=f"https://127.0.0.1:{silent.getsockname()[1]}"),
        "TLSVerification": made("tls", **{data: text_of(other)}),
        "NotKubernetes": made("not-kubernetes", server=stranger, **{data: text_of(other)}),
        "Unauthorized": made("token"),
        "Forbidden": made("forbidden", bench.token("default")),
        "APIServerError": made("error", server=broken, **{data: text_of(other)}),
    }


def connecting(bench: Bench) -> dict[str, Any]:
    """Each way, each contender once: these times are waits by rule, and hardly differ from run to run."""
    workload = workloads.one_task(bench.folder, name="connecting")
    samples: Samples = {}
    with ExitStack() as stack:
        ways = kubeconfigs(bench, stack)
        daemon = stack.enter_context(running(bench))
        for reason, kubeconfig in ways.items():
            bench.tell(f"    {reason}")
            contenders: dict[str, Contender] = {
                ENGINE: partial(_engine, bench, workload, kubeconfig, reason),
                RECEPTOR: partial(_receptor, bench, workload, kubeconfig, daemon),
                KUBECTL: partial(_kubectl, bench, workload, kubeconfig),
            }
            for name, sample in bench.at_once(contenders).items():
                samples.setdefault(f"{name}: {reason}", []).append(sample)
    return as_section(samples, patience=bench.some(int(PATIENCE), 10))


def _patience(bench: Bench) -> float:
    return float(bench.some(int(PATIENCE), 10))


def _engine(bench: Bench, workload: Workload, kubeconfig: Path, reason: str) -> Sample:
    """Ours; where it says what is wrong and tries on for long, that is its answer, and it is killed."""
    told: list[tuple[float, str]] = []

    def seen(message: dict[str, Any], now: float) -> None:
        if message["type"] == "warning" and not told:
            told.append((now, str(message["text"])))
            run.process.signal(signal.SIGKILL)  # told to end, it would look for its pod for minutes

    params = ours.options(bench, workload, container_group=ours.group(bench, kubeconfig))
    run = ours.Engine(bench.controller(), params, seen=seen)
    sample = run.wait(OUR_PATIENCE)
    failure = (run.result.get("job") or {}).get("failure") or {}
    sample.ok = failure.get("reason") == reason
    sample.words = f"{failure.get('reason')}: {failure.get('message')}"
    if told:
        (sample.final, sample.words), sample.ok = told[0], True
    return sample


def _receptor(bench: Bench, workload: Workload, kubeconfig: Path, daemon: Receptor) -> Sample:
    client = Client(daemon, bench, workload, kubeconfig)
    with suppress(TimeoutError):
        client.process.wait(_patience(bench))
        sample = client.sample()
        sample.ok = bool(sample.words)
        return sample
    return Sample(_patience(bench), ok=False, words=f"no answer within {_patience(bench):.0f} s")


def _kubectl(bench: Bench, workload: Workload, kubeconfig: Path) -> Sample:
    try:
        sample = kubectl.Kubectl(bench, workload, kubeconfig).sample(_patience(bench))
    except TimeoutError:
        return Sample(_patience(bench), ok=False, words=f"no answer within {_patience(bench):.0f} s")
    sample.ok = bool(sample.words)
    return sample
