# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TLS contexts for the API server, and what to say when the verification fails."""

from __future__ import annotations

import re
import ssl
import tempfile
from pathlib import Path

from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure

# Numbers of OpenSSL's x509_vfy.h.
_NOT_YET_VALID, _EXPIRED = 9, 10
_UNKNOWN_CA = {2, 18, 19, 20, 21}
_WRONG_NAME = {62, 64}


class _Context(ssl.SSLContext):
    """A context that can verify another name than that of the address (kubeconfig's `tls-server-name`)."""

    server_name: str | None = None

    def wrap_bio(
        self,
        incoming: ssl.MemoryBIO,
        outgoing: ssl.MemoryBIO,
        server_side: bool = False,
        server_hostname: str | bytes | None = None,
        session: ssl.SSLSession | None = None,
    ) -> ssl.SSLObject:
        name = self.server_name or server_hostname
        return super().wrap_bio(incoming, outgoing, server_side, name, session)


_OF_PYTHON = re.compile(r" \(_ssl\.c:\d+\)")
"""Where in Python's own source an error was raised, which is nothing to users."""


def client_context(
    *,
    ca_text: str | None = None,
    verify: bool = True,
    server_name: str | None = None,
    certificate: str | None = None,
    key: str | None = None,
) -> ssl.SSLContext:
    """The context for connections to one API server.

    Args:
        ca_text: PEM certificates to trust; None trusts the system's.
        verify: whether the server's certificate is checked at all.
        server_name: the name to find in the certificate instead of the address's own.
        certificate: PEM text of the client certificate, with its chain.
        key: PEM text of the client certificate's key.

    Raises:
        Failure: `TLSVerification` for an unreadable CA, `InvalidConfiguration` for a client certificate.
    """
    context = _Context(ssl.PROTOCOL_TLS_CLIENT)
    context.server_name = server_name
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_alpn_protocols(["http/1.1"])
    if not verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    elif ca_text is None:
        context.load_default_certs()
    else:
        # As kubectl does: whatever certificate the user gives is trusted, self-signed or not.
        context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
        load_ca(context, ca_text)
    if certificate is not None:
        _load_client_certificate(context, certificate, key or certificate)
    return context


def load_ca(context: ssl.SSLContext, ca_text: str) -> None:
    """Trust the PEM certificates of `ca_text`, or raise a `TLSVerification` that says that it holds none."""
    try:
        context.load_verify_locations(cadata=ca_text)
    except (ssl.SSLError, ValueError, UnicodeError) as error:
        raise Failure(
            "TLSVerification",
            "The CA certificate of the connection (ssl_ca_cert, or the kubeconfig's certificate-authority)"
            f" is not readable as PEM text: {_words(error)}.",
            hint="Give the cluster's CA as a file or text that begins with -----BEGIN CERTIFICATE-----.",
            traceback=_words(error),
        ) from error


def verification_failure(host: str, error: ssl.SSLCertVerificationError) -> Failure:
    """Why the server's certificate was not accepted."""
    code, words = error.verify_code, error.verify_message
    if code == _EXPIRED:
        what = "has expired"
    elif code == _NOT_YET_VALID:
        what = "is not valid yet; compare the clocks of both machines"
    elif code in _UNKNOWN_CA:
        what = "is signed by an unknown CA"
    elif code in _WRONG_NAME:
        what = "is for another host name"
    else:
        what = "is not accepted"
    message = f"The certificate of {host} {what}: {words.strip().rstrip('.')}."
    return Failure("TLSVerification", message, details={"verify_code": code}, traceback=str(error))


def _load_client_certificate(context: ssl.SSLContext, certificate: str, key: str) -> None:
    # OpenSSL's binding reads files only; the folder is private and gone at once.
    with tempfile.TemporaryDirectory(prefix="jobpods-") as folder:
        certificate_file, key_file = Path(folder, "certificate"), Path(folder, "key")
        certificate_file.write_text(certificate)
        key_file.write_text(key)
        try:
            # An empty password keeps OpenSSL from asking for one on the terminal.
            context.load_cert_chain(certificate_file, key_file, password=lambda: "")
        except (ssl.SSLError, ValueError) as error:
            raise Failure(
                "InvalidConfiguration",
                "The connection's client certificate and key can't be used: they must be PEM text, belong "
                f"together, and the key must not be encrypted ({_words(error)}).",
            ) from error


def _words(error: Exception) -> str:
    return _OF_PYTHON.sub("", str(error)) or type(error).__name__
