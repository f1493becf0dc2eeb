# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How to reach a cluster: one complete connection from one source, never mixed from several.

This file needs neither a Kubernetes client nor an HTTP library, so that a launch can be checked without them.
"""

from __future__ import annotations

import dataclasses
import os
import re
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ansible_collections.jobpods.controller.plugins.module_utils.cluster.kubeconfig import (
    Context,
    Entry,
    Kubeconfig,
    load_files,
    load_mapping,
)
from ansible_collections.jobpods.controller.plugins.module_utils.cluster.tls import load_ca
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure, kind_of, shortened

SERVICE_ACCOUNT = Path("/var/run/secrets/kubernetes.io/serviceaccount")

_ENVIRONMENT = {
    "kubeconfig": "K8S_AUTH_KUBECONFIG",
    "context": "K8S_AUTH_CONTEXT",
    "host": "K8S_AUTH_HOST",
    "api_key": "K8S_AUTH_API_KEY",
    "verify_ssl": "K8S_AUTH_VERIFY_SSL",
    "ssl_ca_cert": "K8S_AUTH_SSL_CA_CERT",
}
DEFAULT = "the default kubeconfig"
_ADDRESS = re.compile(r"[\w.-]+(:\d+)?", re.ASCII)
"""A host name, perhaps with its port, that lacks only the scheme to be a URL."""
_BOOLEANS = {
    **dict.fromkeys(("1", "true", "yes", "on", "y", "t"), True),
    **dict.fromkeys(("0", "false", "no", "off", "n", "f"), False),
}


@dataclass(frozen=True)
class Connection:
    """Everything that is needed to talk to one cluster; complete in itself, but for files that may change.

    Attributes:
        host: the API server's URL.
        source: where the connection is from, as the end of a sentence.
        namespace: of the kubeconfig's context or of the service account, None where it names none.
        token: bearer token.
        token_file: file with the bearer token; read again for each request, since Kubernetes rewrites it.
        username: for basic authentication.
        password: for basic authentication.
        client_certificate: PEM text.
        client_key: PEM text.
        impersonation: HTTP headers that ask the API server to act as somebody else (kubeconfig's `as`).
        ca_text: PEM text of the certificates to trust; None trusts the system's.
        verify_ssl: whether the server's certificate is checked.
        tls_server_name: the name to find in the server's certificate instead of the URL's.
        proxy_url: the kubeconfig's proxy-url, perhaps with user and password.
        kubeconfig: the kubeconfig's files (a path list), or the mapping that was given in their place, from
            which credentials can be read again; None where the connection is from elsewhere.
        context: the context in it.
        login: `exec` or `auth-provider` where a program gives the credentials, else None.
    """

    host: str
    source: str
    namespace: str | None = None
    token: str | None = field(default=None, repr=False)
    token_file: str | None = None
    username: str | None = None
    password: str | None = field(default=None, repr=False)
    client_certificate: str | None = field(default=None, repr=False)
    client_key: str | None = field(default=None, repr=False)
    impersonation: tuple[tuple[str, str], ...] = ()
    ca_text: str | None = field(default=None, repr=False)
    verify_ssl: bool = True
    tls_server_name: str | None = None
    proxy_url: str | None = field(default=None, repr=False)
    kubeconfig: str | dict[str, Any] | None = field(default=None, repr=False)
    context: str | None = None
    login: str | None = None

    def to_stored(self) -> dict[str, Any]:
        """The connection as JSON values, secrets included: to be encrypted before it is kept."""
        stored = {each.name: getattr(self, each.name) for each in dataclasses.fields(self)}
        return {**stored, "impersonation": [list(pair) for pair in self.impersonation]}

    @classmethod
    def from_stored(cls, stored: Mapping[str, Any]) -> Connection:
        """The connection that `to_stored` described."""
        names = {each.name for each in dataclasses.fields(cls)}
        known = {key: value for key, value in stored.items() if key in names}
        pairs = known.get("impersonation") or ()
        return cls(**{**known, "impersonation": tuple((str(name), str(value)) for name, value in pairs)})


def resolve_connection(
    options: Mapping[str, Any],
    environ: Mapping[str, str],
    home: Path,
    *,
    service_account: Path = SERVICE_ACCOUNT,
) -> Connection:
    """Find the one source that a connection comes from, and read it whole.

    The sources, in order: the options, if any is given; the `K8S_AUTH_*` variables, as a set; the kubeconfig
    (`KUBECONFIG`, else `~/.kube/config`); the service account of the pod that this runs in.

    Args:
        options: `kubeconfig` (path or mapping), `context`, `host`, `api_key`, `verify_ssl`, `ssl_ca_cert`
            (path or PEM text); an option that is absent, None or empty is not given.
        environ: the environment variables.
        home: the user's home folder.
        service_account: where Kubernetes puts a pod's service account.

    Raises:
        Failure: `InvalidConfiguration`, or `TLSVerification` for an unreadable CA certificate.
    """
    given = {key: options[key] for key in _ENVIRONMENT if options.get(key) not in (None, "")}
    if given:
        return _from_set(given, {key: key for key in given}, environ, home)
    given = {key: environ[variable] for key, variable in _ENVIRONMENT.items() if environ.get(variable)}
    if given:
        return _from_set(given, _ENVIRONMENT, environ, home)
    if environ.get("KUBECONFIG") or (home / ".kube" / "config").exists():
        return _from_kubeconfig(*_default_kubeconfig(environ, home), None)
    if environ.get("KUBERNETES_SERVICE_HOST") and (service_account / "token").exists():
        return _in_cluster(environ, service_account)
    raise _invalid(
        "There is no connection to a cluster: none of the options kubeconfig, context and host is given, "
        "K8S_AUTH_HOST, K8S_AUTH_KUBECONFIG and KUBECONFIG are not set, "
        f"{home / '.kube' / 'config'} does not exist, and this is not a pod with a service account."
    )


def _from_set(
    given: Mapping[str, Any], names: Mapping[str, str], environ: Mapping[str, str], home: Path
) -> Connection:
    """A connection from options or variables; `names` says what the user calls each."""
    direct = [key for key in ("host", "api_key", "verify_ssl", "ssl_ca_cert") if key in given]
    of_file = [key for key in ("kubeconfig", "context") if key in given]
    if direct and of_file:
        raise _invalid(
            f"{names[of_file[0]]} and {names[direct[0]]} exclude each other: a connection comes either from "
            "a kubeconfig, which brings everything, or from host, api_key, verify_ssl and ssl_ca_cert."
        )
    if direct:
        return _from_host(given, names, home)
    kubeconfig = given.get("kubeconfig")
    if kubeconfig is None:
        return _from_kubeconfig(*_default_kubeconfig(environ, home, names["context"]), given["context"])
    name = names["kubeconfig"]
    if isinstance(kubeconfig, Mapping):
        return _from_kubeconfig(load_mapping(kubeconfig), name, given.get("context"), dict(kubeconfig))
    if not isinstance(kubeconfig, (str, os.PathLike)):
        raise _invalid(f"{name} must be a path or a mapping, but it is {kind_of(kubeconfig)}.")
    files = _paths(os.fspath(kubeconfig), name, home)
    return _from_kubeconfig(load_files(files, name), name, given.get("context"))


def _from_host(given: Mapping[str, Any], names: Mapping[str, str], home: Path) -> Connection:
    """A connection from a URL and a token."""
    host_name = names.get("host", "host")
    if "host" not in given:
        present = next(name for key, name in names.items() if key in given)
        raise _invalid(f"{present} is given without {host_name}: say the API server's URL too.")
    host = _url(given["host"], host_name)
    key_name = names.get("api_key", "api_key")
    token = str(given.get("api_key", "")).strip()
    if not token:
        raise _invalid(
            f"{host_name} is given without {key_name}: give a bearer token that the cluster accepts."
        )
    _check_header_text(token, key_name)
    verify = _boolean(given.get("verify_ssl", True), names.get("verify_ssl", "verify_ssl"))
    ca_text = None
    if verify and "ssl_ca_cert" in given:
        ca_text = _ca_text(str(given["ssl_ca_cert"]), names["ssl_ca_cert"], home)
    return Connection(host, f"{host} ({_source(host_name)})", token=token, verify_ssl=verify, ca_text=ca_text)


def _from_kubeconfig(
    kubeconfig: Kubeconfig, named_by: str, wanted_context: str | None, mapping: dict[str, Any] | None = None
) -> Connection:
    """A connection from a context of a kubeconfig; `named_by` says what named that, for whoever asks."""
    context = kubeconfig.choose(wanted_context)
    cluster = context.cluster
    server = cluster.text("server")
    if server is None:
        raise cluster.invalid("server", "is missing; it must be the API server's URL")
    verify = not _boolean(cluster.fields.get("insecure-skip-tls-verify") or False, "insecure-skip-tls-verify")
    ca_text = cluster.pem("certificate-authority") if verify else None
    if ca_text is not None:
        load_ca(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), ca_text)
    return Connection(
        host=_url(server, f'server of "{cluster.name}" in {cluster.source}'),
        source=f"{kubeconfig.source} ({_source(named_by)}), context {context.name}",
        namespace=context.namespace,
        ca_text=ca_text,
        verify_ssl=verify,
        tls_server_name=cluster.text("tls-server-name"),
        proxy_url=cluster.text("proxy-url"),
        kubeconfig=mapping if mapping is not None else kubeconfig.source.removeprefix("kubeconfig "),
        context=context.name,
        **user_credentials(context),
    )


def user_credentials(context: Context) -> dict[str, Any]:
    """The fields of `Connection` that a kubeconfig's user gives."""
    user = context.user
    if user is None:
        return {}
    token = (user.text("token") or "").strip() or None
    if token is not None:
        _check_header_text(token, f'token of "{user.name}" in {user.source}')
    token_file = user.path("tokenFile")
    certificate, password = user.pem("client-certificate"), user.text("password")
    login = None
    if not (token or token_file):
        login = next((kind for kind in ("auth-provider", "exec") if user.fields.get(kind)), None)
    return {
        "token": token,
        "token_file": None if token_file is None else str(token_file),
        "username": user.text("username") if password is not None else None,
        "password": password,
        "client_certificate": certificate,
        "client_key": user.pem("client-key") if certificate is not None else None,
        "impersonation": _impersonation(user),
        "login": login,
    }


def _impersonation(user: Entry) -> tuple[tuple[str, str], ...]:
    """The headers for kubeconfig's `as`, `as-uid`, `as-groups` and `as-user-extra`."""
    pairs = [("Impersonate-User", user.text("as")), ("Impersonate-Uid", user.text("as-uid"))]
    pairs += [("Impersonate-Group", str(group)) for group in user.fields.get("as-groups") or []]
    for key, values in (user.fields.get("as-user-extra") or {}).items():
        pairs += [(f"Impersonate-Extra-{key}", str(value)) for value in values]
    return tuple((name, value) for name, value in pairs if value is not None)


def _in_cluster(environ: Mapping[str, str], service_account: Path) -> Connection:
    """The connection of a pod by its service account."""
    address = environ["KUBERNETES_SERVICE_HOST"]
    port = environ.get("KUBERNETES_SERVICE_PORT") or "443"
    host = f"https://[{address}]:{port}" if ":" in address else f"https://{address}:{port}"
    namespace_file, ca_file = service_account / "namespace", service_account / "ca.crt"
    try:
        namespace = namespace_file.read_text(encoding="utf-8").strip() if namespace_file.exists() else None
    except OSError as error:
        raise _invalid(f"The service account's {namespace_file} can't be read: {error.strerror}.") from error
    return Connection(
        host=_url(host, "KUBERNETES_SERVICE_HOST"),
        source="the service account of this pod",
        namespace=namespace or None,
        token_file=str(service_account / "token"),
        ca_text=_ca_text(str(ca_file), "the service account's ca.crt", Path("/")),
    )


def _default_kubeconfig(environ: Mapping[str, str], home: Path, asked_by: str = "") -> tuple[Kubeconfig, str]:
    """The kubeconfig that kubectl would use, and what named it."""
    if environ.get("KUBECONFIG"):
        return load_files(_paths(environ["KUBECONFIG"], "KUBECONFIG", home), "KUBECONFIG"), "KUBECONFIG"
    file = home / ".kube" / "config"
    if asked_by and not file.exists():
        raise _invalid(
            f"{asked_by} is given, but there is no kubeconfig: KUBECONFIG is not set and {file} is missing."
        )
    return load_files([file], DEFAULT), DEFAULT


def _source(name: str) -> str:
    """What the user calls a source, in words that tell options from variables."""
    if name == DEFAULT:
        return "default"
    return f"option {name}" if name in _ENVIRONMENT else name


def _paths(value: str, name: str, home: Path) -> list[Path]:
    """The files of a path, or of a list of paths as KUBECONFIG allows it.

    A kubeconfig's text in its place is not shown: it has secrets in it.
    """
    parts = [part for part in value.split(os.pathsep) if part]
    if len(value.strip().splitlines()) > 1 or value.lstrip().startswith("{") or any(map(_too_long, parts)):
        raise _invalid(
            f"{name} is no path, but perhaps the text of a kubeconfig; give a path, or a mapping (from text"
            " with the filter from_yaml)."
        )
    whole = _expanded(value, home)
    try:
        return [whole] if whole.exists() else [_expanded(part, home) for part in parts]
    except OSError as error:
        raise _invalid(f"{name} names {whole}, which can't be read: {error.strerror}.") from error


def _too_long(path: str) -> bool:
    """Whether a text can't be a path (limits.h: PATH_MAX, NAME_MAX), but perhaps an encoded kubeconfig."""
    return len(path) > 4095 or any(len(os.fsencode(part)) > 255 for part in path.split("/"))


def _expanded(value: str, home: Path) -> Path:
    """An absolute path; a relative one starts in this process' working folder."""
    if value == "~" or value.startswith("~/"):
        return home / value[2:]
    return Path(value).absolute()


def _url(value: Any, name: str) -> str:
    """The URL of an API server, without a slash at its end."""
    text = str(value).strip().rstrip("/")
    try:
        parts = urlsplit(text)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        valid = False
    if not valid or any(character.isspace() for character in text):
        shown = text.rsplit("@", 1)[-1]
        example = shown if _ADDRESS.fullmatch(shown) else "kubernetes.example.com:6443"
        raise _invalid(f'{name} is "{shown}", which is not a URL like https://{example}.')
    if "@" in parts.netloc or parts.query or parts.fragment:
        address = parts.netloc.rsplit("@", 1)[-1]
        raise _invalid(f"{name} must be a plain URL like https://{address}, without user, query or fragment.")
    return text


def _ca_text(value: str, name: str, home: Path) -> str:
    """The PEM text that `value` is or that lies in the file it names."""
    text = value
    if "-----BEGIN" not in value and "\n" not in value.strip():
        file = _expanded(value, home)
        try:
            text = file.read_text(encoding="utf-8")
        except (OSError, ValueError) as error:
            why = getattr(error, "strerror", None) or "not PEM text"
            raise Failure(
                "TLSVerification",
                f"The CA certificate {name} is neither PEM text nor a readable file:"
                f' "{shortened(str(file), 300)}" ({why}).',
                hint="Give the cluster's CA as a file or text that begins with -----BEGIN CERTIFICATE-----.",
            ) from error
    load_ca(ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT), text)
    return text


def _boolean(value: Any, name: str) -> bool:
    if isinstance(value, bool):
        return value
    known = _BOOLEANS.get(str(value).strip().lower())
    if known is None:
        raise _invalid(f'{name} is "{value}"; it must be true or false.')
    return known


def _check_header_text(token: str, name: str) -> None:
    """Refuse a token that would break out of its HTTP header."""
    if not token.isascii() or not token.isprintable() or " " in token:
        raise _invalid(
            f"{name} is not a bearer token: it contains spaces, line breaks or other such characters."
        )


def _invalid(message: str) -> Failure:
    return Failure("InvalidConfiguration", message)
