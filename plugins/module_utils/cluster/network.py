# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What trouble on the way to the API server means, told from the HTTP client's exceptions."""

from __future__ import annotations

import asyncio
import errno
import re
import socket
import ssl
from dataclasses import dataclass
from typing import Any

import aiohttp
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.errors import (
    Unreachable,
    not_kubernetes,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.limit import within
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.tls import verification_failure
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

TROUBLE = (aiohttp.ClientError, asyncio.TimeoutError, OSError)
"""The exceptions of a request that `trouble_of` understands."""

# What OpenSSL says when the other side answers something that is not TLS.
_NOT_TLS = (
    "WRONG_VERSION_NUMBER",
    "UNKNOWN_PROTOCOL",
    "HTTP_REQUEST",
    "PACKET_LENGTH_TOO_LONG",
    "RECORD_LAYER_FAILURE",
)
_PROXY_AUTHENTICATION_REQUIRED = 407
_RESOLVING_SHARE = 0.8
"""Of the connection's time limit, for the host's address."""


class Resolver(aiohttp.ThreadedResolver):
    """Asks the system for a host's address, for less time than the connection may take.

    The system's own limit is often the connection's, too, and whichever came first would say what was wrong.
    """

    def __init__(self, connect_seconds: float) -> None:
        """Gets ready; the limit is the connection's."""
        super().__init__()
        self._seconds = connect_seconds * _RESOLVING_SHARE

    async def resolve(self, host: str, port: int = 0, family: Any = socket.AF_INET) -> Any:
        """The host's addresses."""
        try:
            return await within(self._seconds, super().resolve(host, port, family))
        except asyncio.TimeoutError as exc:
            raise socket.gaierror(socket.EAI_AGAIN, f"no answer within {self._seconds:g} s") from exc


@dataclass(frozen=True)
class Route:
    """The way of a request, for messages.

    Attributes:
        host: the API server's URL.
        proxy: the proxy's URL without user and password, None where there is none.
        connect_seconds: limit for the connection.
        request_seconds: limit for the whole request.
    """

    host: str
    proxy: str | None
    connect_seconds: float
    request_seconds: float

    @property
    def described(self) -> str:
        """The API server's address, with the proxy where there is one."""
        return self.host if self.proxy is None else f"{self.host} (by the proxy {self.proxy})"


# What is raised while a connection is made; the only time limit of the HTTP client's own is the one for that.
_BEFORE_SENDING = (aiohttp.ClientConnectorError, aiohttp.ClientHttpProxyError, aiohttp.ServerTimeoutError)


def trouble_of(error: BaseException, route: Route) -> Failure | Unreachable:
    """What to raise for an exception of `TROUBLE`."""
    trouble = _trouble_of(error, route)
    if isinstance(trouble, Unreachable):
        trouble.unsent = isinstance(error, _BEFORE_SENDING)
    return trouble


def _trouble_of(error: BaseException, route: Route) -> Failure | Unreachable:
    if isinstance(error, aiohttp.ServerTimeoutError):
        return _timeout(f"{route.described} did not accept a connection within {route.connect_seconds:g} s.")
    if isinstance(error, asyncio.TimeoutError):
        return _timeout(f"{route.described} did not answer within {route.request_seconds:g} s.")
    if isinstance(error, aiohttp.ClientHttpProxyError):
        return _proxy_refusal(error, route)
    if isinstance(error, aiohttp.InvalidURL):
        return Failure("InvalidConfiguration", f"{route.host} is not a URL that can be asked.")
    if isinstance(error, aiohttp.ClientResponseError):
        what = f"its answer is not HTTP{_perhaps_tls(route)}"
        return not_kubernetes(route.host, what, words=error.message)
    tls = _tls_error(error)
    if tls is not None:
        return _tls_trouble(tls, route)
    if isinstance(error, aiohttp.ClientConnectorError):
        # With a proxy, its name is the only one that is resolved here.
        about_proxy = isinstance(error, aiohttp.ClientProxyConnectionError) or _is_of_resolving(error)
        to_proxy = about_proxy and route.proxy is not None
        return _connect_trouble(error.os_error, route.proxy or "" if to_proxy else route.host, to_proxy)
    failure = Failure(
        "ConnectionRefused",
        f"{route.described} closed the connection before it had answered{_perhaps_tls(route)}.",
        traceback=_words(error),
    )
    return Unreachable(failure, interrupted=True)


def _perhaps_tls(route: Route) -> str:
    """What to try where a server does not understand plain HTTP."""
    return "; if it speaks TLS, use https://" if route.host.startswith("http:") else ""


def _is_of_resolving(error: aiohttp.ClientConnectorError) -> bool:
    return isinstance(error.os_error, socket.gaierror)


def _tls_error(error: BaseException) -> ssl.SSLError | None:
    """The TLS error that an exception is or carries."""
    # The library's own certificate error is one of ssl too, but without what went wrong: it carries that.
    carried = (getattr(error, "certificate_error", None), getattr(error, "os_error", None), error.__cause__)
    for each in (*carried, error):
        if isinstance(each, ssl.SSLError):
            return each
    return None


def _tls_trouble(error: ssl.SSLError, route: Route) -> Failure | Unreachable:
    if isinstance(error, ssl.SSLCertVerificationError):
        return verification_failure(route.host, error)
    words = _words(error)
    if any(name in words.upper().replace(" ", "_") for name in _NOT_TLS):
        return not_kubernetes(route.host, "it does not speak TLS", words=words)
    if isinstance(error, (ssl.SSLEOFError, ssl.SSLZeroReturnError)):
        message = f"{route.described} closed the connection during the TLS handshake."
        return Unreachable(Failure("ConnectionRefused", message, traceback=words), interrupted=True)
    return Failure("TLSVerification", f"No TLS connection to {route.described}: {words}.", traceback=words)


def _connect_trouble(error: OSError, address: str, to_proxy: bool) -> Unreachable:
    what = f"the proxy {address}" if to_proxy else address
    words = _words(error)
    if isinstance(error, socket.gaierror):
        return Unreachable(
            Failure("NameResolution", f"The host name of {what} can't be resolved: {words}.", traceback=words)
        )
    # Where a name has several addresses, the numbers of their errors are only in the text.
    number = error.errno or int((re.findall(r"\[Errno (\d+)\]", words) or ["0"])[-1])
    if number == errno.ECONNREFUSED:
        failure = Failure(
            "ConnectionRefused", f"Nothing listens at {what}: connection refused.", traceback=words
        )
        return Unreachable(failure)
    if number in (errno.ETIMEDOUT, errno.EHOSTUNREACH, errno.ENETUNREACH, errno.EHOSTDOWN):
        return Unreachable(
            Failure("ConnectionTimeout", f"There is no way to {what}: {words}.", traceback=words)
        )
    failure = Failure("ConnectionRefused", f"No connection to {what}: {words}.", traceback=words)
    return Unreachable(failure, interrupted=isinstance(error, ConnectionError))


def _proxy_refusal(error: aiohttp.ClientHttpProxyError, route: Route) -> Failure | Unreachable:
    words = f"{error.status} {error.message}"
    details = {"proxy": route.proxy}
    if error.status == _PROXY_AUTHENTICATION_REQUIRED:
        message = (
            f"The proxy {route.proxy} wants user and password, as http://user:password@host:port ({words})."
        )
        return Failure("InvalidConfiguration", message, details=details, traceback=words)
    message = f"The proxy {route.proxy} gives no connection to {route.host}: {words}."
    return Unreachable(Failure("ConnectionRefused", message, details=details, traceback=words))


def _timeout(message: str) -> Unreachable:
    return Unreachable(Failure("ConnectionTimeout", message))


def _words(error: BaseException) -> str:
    return str(error).strip().rstrip(".") or type(error).__name__
