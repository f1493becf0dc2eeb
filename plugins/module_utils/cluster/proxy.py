# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which proxy leads to the API server: the kubeconfig's, else the environment's, as for kubectl."""

from __future__ import annotations

import base64
import ipaddress
from collections.abc import Mapping
from dataclasses import dataclass, field
from urllib.parse import SplitResult, unquote, urlsplit

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure


@dataclass(frozen=True)
class Proxy:
    """An HTTP proxy.

    Attributes:
        url: its address, without user and password.
        headers: what to send to the proxy itself, its authentication.
    """

    url: str
    headers: dict[str, str] = field(default_factory=dict, repr=False)


def proxy_for(host: str, proxy_url: str | None, environ: Mapping[str, str]) -> Proxy | None:
    """The proxy for the API server at `host`, or None.

    Args:
        host: the API server's URL.
        proxy_url: the kubeconfig's `proxy-url`, which `NO_PROXY` does not apply to.
        environ: where `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` are looked for, in either case.
    """
    if proxy_url:
        return _proxy(proxy_url, "proxy-url of the kubeconfig")
    url = urlsplit(host)
    name = f"{url.scheme.upper()}_PROXY"
    value = _either_case(environ, name)
    if not value or not url.hostname or _is_excluded(url, _either_case(environ, "NO_PROXY")):
        return None
    return _proxy(value, name)


def _either_case(environ: Mapping[str, str], name: str) -> str:
    return environ.get(name) or environ.get(name.lower()) or ""


def _proxy(value: str, source: str) -> Proxy:
    try:
        parts = urlsplit(value if "://" in value else f"http://{value}")
        host, port = parts.hostname, parts.port
    except ValueError:
        host, port = None, None
    if not host or parts.scheme != "http":
        shown = value.rsplit("@", 1)[-1]
        raise Failure(
            "InvalidConfiguration",
            f'{source} is "{shown}", which is not an address like http://proxy.example.com:3128 '
            "(HTTP proxies are supported, SOCKS and HTTPS proxies are not).",
        )
    address = f"[{host}]" if ":" in host else host
    headers = {}
    if parts.username is not None:
        pair = f"{unquote(parts.username)}:{unquote(parts.password or '')}"
        headers["Proxy-Authorization"] = "Basic " + base64.b64encode(pair.encode()).decode()
    return Proxy(f"http://{address}:{port or 80}", headers)


def _is_excluded(url: SplitResult, no_proxy: str) -> bool:
    """Whether `NO_PROXY`, or being this very machine, keeps a URL from the proxy."""
    host = (url.hostname or "").rstrip(".")
    port = str(url.port or (443 if url.scheme == "https" else 80))
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        address = None
    if host == "localhost" or (address is not None and address.is_loopback):
        return True
    return any(_matches(entry.strip().lower(), host, port, address) for entry in no_proxy.split(","))


def _matches(
    entry: str, host: str, port: str, address: ipaddress.IPv4Address | ipaddress.IPv6Address | None
) -> bool:
    """Whether an entry of `NO_PROXY` covers a host: `*`, address, network or domain, perhaps with a port."""
    if entry in ("", "*"):
        return entry == "*"
    if address is not None:
        try:
            return address in ipaddress.ip_network(entry.strip("[]"), strict=False)
        except ValueError:
            pass
    name, colon, wanted_port = entry.rpartition(":")
    if colon and wanted_port.isdecimal():
        if wanted_port != port:
            return False
        entry = name.strip("[]")
    if address is not None:
        return entry == host
    # "example.com" covers the domain itself too, ".example.com" only what is below it.
    domain = entry.removeprefix("*")
    return host == domain or host.endswith(domain if domain.startswith(".") else f".{domain}")
