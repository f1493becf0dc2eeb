# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The certificates of the local cluster, and the kubeconfig files with them."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from pathlib import Path

from configuration import API_SERVICE, NODE, Settings
from machine import run, write

ELLIPTIC = ("-pkeyopt", "ec_paramgen_curve:P-256")
DAYS = "3650"


def make_certificates(root: Path, settings: Settings) -> None:
    """Makes all of them, see "PKI certificates and requirements" in the Kubernetes documentation.

    Args:
        root: the cluster's folder: the administrator's kubeconfig comes there, the rest into `pki` in it.
        settings: what was chosen for the cluster.
    """
    pki = root / "pki"
    write(pki / "openssl.cnf", "[req]\ndistinguished_name=name\n[name]\n")

    def certify(name: str, subject: str, extensions: Sequence[str], ca: str | None = "ca") -> None:
        key, certificate = str(pki / f"{name}.key"), str(pki / f"{name}.crt")
        command = ["openssl", "req", "-x509", "-config", str(pki / "openssl.cnf"), "-days", DAYS]
        command += ["-newkey", "ec", *ELLIPTIC, "-nodes", "-subj", subject]
        command += ["-keyout", key, "-out", certificate]
        for extension in extensions:
            command += ["-addext", extension]
        if ca:
            command += ["-CA", str(pki / f"{ca}.crt"), "-CAkey", str(pki / f"{ca}.key")]
        run(command)

    certify("ca", "/CN=jobpods-local-cluster", ["basicConstraints=critical,CA:TRUE"], ca=None)
    addresses = f"IP:127.0.0.1,IP:{API_SERVICE},IP:{settings.node_address}"
    services = "DNS:localhost,DNS:kubernetes,DNS:kubernetes.default,DNS:kubernetes.default.svc"
    server = [f"subjectAltName={services},{addresses}", "extendedKeyUsage=serverAuth"]
    certify("apiserver", "/CN=kube-apiserver", server)
    node = [f"subjectAltName=DNS:{NODE},IP:{settings.node_address}", "extendedKeyUsage=serverAuth,clientAuth"]
    certify("kubelet", f"/O=system:nodes/CN=system:node:{NODE}", node)
    client = ["extendedKeyUsage=clientAuth"]
    certify("admin", "/O=system:masters/CN=admin", client)
    certify("kube-controller-manager", "/CN=system:kube-controller-manager", client)
    certify("kube-scheduler", "/CN=system:kube-scheduler", client)
    accounts = str(pki / "accounts.key")
    run(["openssl", "genpkey", "-algorithm", "EC", *ELLIPTIC, "-out", accounts])
    run(["openssl", "pkey", "-in", accounts, "-pubout", "-out", str(pki / "accounts.pub")])
    for name in ("kubelet", "kube-controller-manager", "kube-scheduler"):
        write_kubeconfig(pki / f"{name}.kubeconfig", name, pki, settings)
    write_kubeconfig(root / "kubeconfig", "admin", pki, settings)


def write_kubeconfig(path: Path, user: str, pki: Path, settings: Settings) -> None:
    """Writes a user's kubeconfig with the certificates in it, so that it can be copied."""
    encoded = {
        name: base64.b64encode((pki / name).read_bytes()).decode()
        for name in ("ca.crt", f"{user}.crt", f"{user}.key")
    }
    server = {
        "server": f"https://127.0.0.1:{settings.api_port}",
        "certificate-authority-data": encoded["ca.crt"],
    }
    key = {"client-certificate-data": encoded[f"{user}.crt"], "client-key-data": encoded[f"{user}.key"]}
    config = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "local", "cluster": server}],
        "users": [{"name": user, "user": key}],
        "contexts": [{"name": "local", "context": {"cluster": "local", "user": user}}],
        "current-context": "local",
    }
    write(path, json.dumps(config, indent=1) + "\n", mode=0o600)
