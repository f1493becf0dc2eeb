# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Requests to one API server: sessions, credentials, proxy, time limits and second tries."""

from __future__ import annotations

import asyncio
import json
import re
import socket
from collections.abc import Awaitable, Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.connection import Connection
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.credentials import (
    Credentials,
    read_credentials,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    failure_of,
    not_kubernetes,
    status_document,
    words_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.network import (
    TROUBLE,
    Resolver,
    Route,
    trouble_of,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.proxy import proxy_for
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.retry import RetryPolicy
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.tls import client_context
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, shortened

ANSWER_LIMIT = 64 * 1024 * 1024
"""Bytes of an answer, or of a line of a watch; Kubernetes' own are smaller."""

_REFUSAL_LIMIT = 64 * 1024
_WARNINGS = 10
_WARNING_LENGTH = 300
_WARNING = re.compile(r'\d{3} \S+ "((?:[^"\\]|\\.)*)"')
_ESCAPED = re.compile(r"\\(.)")
_WANTS_TLS = re.compile(rb"to (?:an )?HTTPS (?:server|port)", re.IGNORECASE)
"""What servers of Go, hence Kubernetes', and nginx say where they are asked without TLS."""


@dataclass(frozen=True)
class Limits:
    """Time limits, in seconds.

    Attributes:
        connect: for the connection: the host's address, TCP, proxy and TLS.
        request: for a whole request with its connection; for a watch and an attach: until they are open.
        write: how long an attached container may leave its input unread.
        watch: how long the server keeps a watch open.
        login: for a kubeconfig's exec plugin or auth provider.
    """

    connect: float = 10.0
    request: float = 30.0
    write: float = 60.0
    watch: float = 1800.0
    login: float = 60.0


@dataclass(frozen=True)
class Request:
    """What is asked of the API server.

    Attributes:
        method: of HTTP.
        path: below the server's URL.
        verb: Kubernetes' word for it, for messages.
        resource: the resource that is asked for, for messages.
        namespace: its namespace, None where it has none.
        params: the query.
        body: an object to send.
        content_type: of the body.
        accept: kinds of answers, best first.
        conflict_answers: that another writer was quicker is the answer, and not to be tried again.
    """

    method: str
    path: str
    verb: str
    resource: str
    namespace: str | None = None
    params: Mapping[str, str] = field(default_factory=dict)
    body: Mapping[str, Any] | None = field(default=None, repr=False)
    content_type: str = "application/json"
    accept: str = "application/json"
    conflict_answers: bool = False


@dataclass(frozen=True)
class Answer:
    """What the API server said; an error's `body` and all warnings hold none of the connection's secrets."""

    status: int
    body: bytes = field(repr=False)
    retry_after: str | None = None
    warnings: tuple[str, ...] = ()
    date: str = ""

    def document(self) -> dict[str, Any]:
        """The object in the body; empty where there is none."""
        try:
            document = json.loads(self.body)
        except ValueError:
            return {}
        return document if isinstance(document, dict) else {}

    @property
    def is_conflict(self) -> bool:
        """Whether two writers met (at a quota's counters, for example), so that a second try may succeed.

        Not so where the pod exists already, or where a delete's UID is not that of the pod.
        """
        status = status_document(self.body) if self.status == 409 else None
        return (
            status is not None
            and status.get("reason") == "Conflict"
            and "UID in precondition" not in words_of(status)
        )

    @property
    def is_turned_away(self) -> bool:
        """Whether the request was refused before it could have any effect, for now."""
        unheard = self.status == 500 and "failed calling webhook" in words_of(self.body)
        return self.status == 429 or unheard or self.is_conflict


class UpgradeRefused(Exception):
    """The answer to an upgrade that is not 101; the HTTP library would throw its body away."""

    def __init__(self, answer: Answer) -> None:
        super().__init__(answer.status)
        self.answer = answer


class Transport:
    """The way to one API server. All it raises is `Failure` (final) and `Unreachable`.

    Attributes:
        connection: how it reaches the cluster.
        requests: how many requests it has sent.
        limits: time limits.
    """

    def __init__(
        self, connection: Connection, environ: Mapping[str, str], limits: Limits, retry: RetryPolicy
    ) -> None:
        self.connection = connection
        self.requests = 0
        self.limits = limits
        self._environ = environ
        self._retry = retry
        proxy = proxy_for(connection.host, connection.proxy_url, environ)
        self._proxy_url = proxy.url if proxy else None
        self._proxy_headers = proxy.headers if proxy else None
        self._route = Route(connection.host, self._proxy_url, limits.connect, limits.request)
        self._credentials = Credentials()
        self._refreshing = asyncio.Lock()
        self._session: aiohttp.ClientSession | None = None
        self._former_sessions: list[aiohttp.ClientSession] = []

    async def open(self) -> None:
        """Read the credentials and the certificates; nothing is sent yet."""
        # Nothing secret is ever sent without TLS, so nothing secret is read for it either.
        if self.connection.host.startswith("https:"):
            self._credentials = await self._read_credentials(again=False)
        self._session = self._new_session()

    async def close(self) -> None:
        """Close all connections, those of watches and attached streams too."""
        for session in (*self._former_sessions, self._session):
            if session is not None:
                await session.close()

    async def ask(self, request: Request, accept: Collection[int] = ()) -> Answer:
        """Send a request, again as the retry policy says.

        A refusal of a later try is no final one where an earlier try may have had its effect: the server may
        have been started meanwhile, and know nobody's rights yet.

        Returns:
            An answer with a status of 2xx or one of `accept`.
        """
        sent, refreshed, unsent, doubtful = 0, False, True, False
        while True:
            await self._refuse_plain_http()
            credentials, delay = self._credentials, None
            sent += 1
            try:
                answer = await self._ask_once(request, credentials)
            except Unreachable as trouble:
                delay = self._retry.delay(sent) if trouble.interrupted else None
                unsent = unsent and trouble.unsent
                doubtful = doubtful or not trouble.unsent
                if delay is None:
                    trouble.unsent = unsent
                    raise
            else:
                unsent = unsent and answer.is_turned_away
                conflict = answer.is_conflict and not request.conflict_answers
                if 200 <= answer.status < 300 or (answer.status in accept and not conflict):
                    return answer
                if answer.status == 401 and not refreshed:
                    refreshed = True
                    await self._refresh(credentials)
                    continue
                if answer.status in self._retry.statuses or answer.is_conflict:
                    delay = self._retry.delay(sent, answer.retry_after)
                if delay is None:
                    refusal = self.trouble(answer, request)
                    if isinstance(refusal, Failure) and not doubtful:
                        raise refusal
                    raise _passing(refusal, unsent)
                doubtful = doubtful or (answer.status >= 500 and not answer.is_turned_away)
            await asyncio.sleep(delay)

    async def stream(self, request: Request) -> aiohttp.ClientResponse | Answer:
        """Send a request whose answer comes bit by bit.

        Returns:
            The open response where it is good, to be closed by the caller; else the answer.
        """
        for refreshed in (False, True):
            await self._refuse_plain_http()
            credentials = self._credentials
            opening = within(self.limits.request, self._send(request, credentials))
            try:
                response = await opening
                if response.status == 200:
                    _notice_dead_peer(response)
                    return response
                async with response:
                    answer = await within(self.limits.request, self._received(response))
            except TROUBLE as error:
                raise trouble_of(error, self._route) from error
            if answer.status != 401 or refreshed:
                break
            await self._refresh(credentials)
        return answer

    async def next_piece(self, response: aiohttp.ClientResponse) -> bytes:
        """The next bytes of a response of `stream`; empty at its end."""
        try:
            return await response.content.readany()
        except TROUBLE as error:
            raise trouble_of(error, self._route) from error

    async def upgrade(
        self, request: Request, protocols: Collection[str], message_limit: int
    ) -> aiohttp.ClientWebSocketResponse[Any] | Answer:
        """Open a WebSocket.

        Args:
            request: what to ask for.
            protocols: the subprotocols to offer, best first.
            message_limit: bytes of one message at most.

        Returns:
            The open socket, or the answer that refuses it.
        """
        for refreshed in (False, True):
            await self._refuse_plain_http()
            credentials = self._credentials
            self.requests += 1
            opening: Awaitable[aiohttp.ClientWebSocketResponse[Any]] = self._open_session().ws_connect(
                self.connection.host + request.path,
                params=request.params,
                headers=credentials.headers(),
                protocols=tuple(protocols),
                max_msg_size=message_limit,
                proxy=self._proxy_url,
                proxy_headers=self._proxy_headers,
            )
            try:
                return await within(self.limits.request, opening)
            except UpgradeRefused as refusal:
                answer = refusal.answer
            except aiohttp.WSServerHandshakeError as error:
                what = f"it opened no WebSocket ({error.message})"
                raise not_kubernetes(self.connection.host, what, error.status) from error
            except TROUBLE as error:
                raise trouble_of(error, self._route) from error
            if answer.status != 401 or refreshed:
                break
            await self._refresh(credentials)
        return answer

    def trouble(self, answer: Answer, request: Request) -> Failure | Unreachable:
        """What to raise for an answer that is not good."""
        host = self.connection.host
        failure = failure_of(
            answer.status, answer.body, request.verb, request.resource, request.namespace, host=host
        )
        passing = answer.status == 429 or answer.status >= 500 or answer.is_conflict
        return Unreachable(failure) if passing else failure

    def stranger(self, answer: Answer) -> Failure:
        """What to raise for an answer that is good, but not from Kubernetes."""
        words = words_of(self._without_secrets(answer.body))
        what = f'it answered {answer.status} with "{shortened(" ".join(words.split()), 80)}"'
        return not_kubernetes(self.connection.host, what, answer.status, words)

    async def _ask_once(self, request: Request, credentials: Credentials) -> Answer:
        async def exchange() -> Answer:
            async with await self._send(request, credentials) as response:
                return await self._received(response)

        try:
            return await within(self.limits.request, exchange())
        except TROUBLE as error:
            raise trouble_of(error, self._route) from error

    async def _send(self, request: Request, credentials: Credentials) -> aiohttp.ClientResponse:
        self.requests += 1
        headers = [("Accept", request.accept), *credentials.headers()]
        if request.body is not None:
            headers.append(("Content-Type", request.content_type))
        return await self._open_session().request(
            request.method,
            self.connection.host + request.path,
            params=request.params,
            headers=headers,
            data=None if request.body is None else json.dumps(request.body).encode(),
            # Following would take the token to wherever a stranger points.
            allow_redirects=False,
            proxy=self._proxy_url,
            proxy_headers=self._proxy_headers,
        )

    async def _received(self, response: aiohttp.ClientResponse) -> Answer:
        """An answer with its body; more than any Kubernetes sends is not read to its end."""
        good = 200 <= response.status < 300
        body = bytearray()
        while piece := await response.content.readany():
            body += piece
            if not good and len(body) > _REFUSAL_LIMIT:
                break
            if len(body) > ANSWER_LIMIT:
                what = f"its answer has more than {ANSWER_LIMIT} bytes"
                raise not_kubernetes(self.connection.host, what, response.status)
        content = bytes(body) if good else self._without_secrets(bytes(body))
        headers = response.headers
        warnings = self._warnings(headers.getall("Warning", ()))
        date = headers.get("Date", "")
        return Answer(response.status, content, headers.get("Retry-After"), warnings, date)

    def _warnings(self, headers: Iterable[str]) -> tuple[str, ...]:
        """The texts of `Warning` headers (RFC 9111, 5.5): a few, and nothing that a terminal obeys."""
        texts: list[str] = []
        for header in headers:
            known = self._without_secrets(header.encode("utf-8", "surrogateescape"))
            for quoted in _WARNING.findall(known.decode("utf-8", "replace")):
                text = "".join(char if char.isprintable() else " " for char in _ESCAPED.sub(r"\1", quoted))
                texts.append(shortened(" ".join(text.split()), _WARNING_LENGTH))
        return tuple(dict.fromkeys(texts))[:_WARNINGS]

    async def _refuse_plain_http(self) -> None:
        """Where the host is `http://`, ask it without credentials what it is, and fail accordingly."""
        host = self.connection.host
        if host.startswith("https:"):
            return
        answer = await self._ask_once(Request("GET", "/version", "get", "/version"), Credentials())
        document = answer.document()
        secure = f"https://{host.partition('://')[2]}"
        if answer.status == 400 and _WANTS_TLS.search(answer.body):
            words = words_of(answer.body)
            raise Failure("InvalidConfiguration", f"{host} wants TLS: use {secure}.", 400, traceback=words)
        if "gitVersion" not in document and status_document(document) is None:
            raise self.stranger(answer)
        raise Failure(
            "InvalidConfiguration",
            f"{host} is a Kubernetes API server without TLS, which would show the token to the network: "
            "give an https:// URL.",
            answer.status,
        )

    async def _refresh(self, refused: Credentials) -> None:
        """Read the credentials again after a 401, once for all requests that met it."""
        async with self._refreshing:
            if self._credentials is not refused:
                return
            self._credentials = await self._read_credentials(again=True)
            if self._credentials.client_certificate != refused.client_certificate:
                # Open watches and attached streams live on in the former session.
                self._former_sessions.append(self._open_session())
                self._session = self._new_session()

    async def _read_credentials(self, *, again: bool) -> Credentials:
        return await read_credentials(
            self.connection, self._environ, again=again, login_seconds=self.limits.login
        )

    def _new_session(self) -> aiohttp.ClientSession:
        connection, credentials = self.connection, self._credentials
        context = client_context(
            ca_text=connection.ca_text,
            verify=connection.verify_ssl,
            server_name=connection.tls_server_name,
            certificate=credentials.client_certificate,
            key=credentials.client_key,
        )
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(ssl=context, limit=0, resolver=Resolver(self.limits.connect)),
            cookie_jar=aiohttp.DummyCookieJar(),
            timeout=aiohttp.ClientTimeout(total=None, connect=self.limits.connect),
            headers={"User-Agent": "jobpods"},
            raise_for_status=self._keep_refused_upgrade,
        )

    def _open_session(self) -> aiohttp.ClientSession:
        if self._session is None:
            raise RuntimeError("used before it was opened")
        return self._session

    async def _keep_refused_upgrade(self, response: aiohttp.ClientResponse) -> None:
        if response.status != 101 and "Upgrade" in response.request_info.headers:
            raise UpgradeRefused(await self._received(response))

    def _without_secrets(self, body: bytes) -> bytes:
        """A server's words, should they repeat what it was sent."""
        secret = (self._credentials.sent or "").encode()
        return body.replace(secret, b"***") if secret else body


def _notice_dead_peer(response: aiohttp.ClientResponse) -> None:
    """Let the kernel find out within a minute that the other end of a silent watch is gone."""
    connection = response.connection
    transport = connection.transport if connection is not None else None
    raw = transport.get_extra_info("socket") if transport is not None else None
    if raw is None:
        return
    raw.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for name, value in (("TCP_KEEPIDLE", 30), ("TCP_KEEPINTVL", 10), ("TCP_KEEPCNT", 3)):
        if hasattr(socket, name):
            raw.setsockopt(socket.IPPROTO_TCP, getattr(socket, name), value)


def _passing(refusal: Failure | Unreachable, unsent: bool) -> Unreachable:
    """A refusal that need not be the last word."""
    trouble = Unreachable(refusal) if isinstance(refusal, Failure) else refusal
    trouble.unsent = unsent
    return trouble
