# Copyright (c) 2026 the jobpods developers
# GNU General Public License v3.0 or later (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Credentials are read as AWX's of the same types; what is wrong is told, and no secret with it."""

from __future__ import annotations

import subprocess
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from ansible_collections.jobpods.controller.plugins.module_utils.controller.credential_types import TYPES
from ansible_collections.jobpods.controller.plugins.module_utils.failures import Failure
from ansible_collections.jobpods.controller.plugins.module_utils.job.credentials import (
    Credentials,
    MachineCredential,
    VaultCredential,
    read_credentials,
    read_registry,
)
from ansible_collections.jobpods.controller.plugins.module_utils.pod.registry import Registry
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

SECRET = "s3cret-value"  # noqa: S105 - that is what is looked for


def key(kind: str, *, locked: bool = False) -> str:
    """A private key as ssh-keygen and OpenSSL write it."""
    if kind == "openssh":
        return openssh_key(SECRET if locked else "")
    made: Any = ed25519.Ed25519PrivateKey.generate()
    if kind == "rsa":
        made = rsa.generate_private_key(65537, 2048)
    elif kind == "ec":
        made = ec.generate_private_key(ec.SECP256R1())
    form = PrivateFormat.PKCS8 if kind == "pkcs8" else PrivateFormat.TraditionalOpenSSL
    encryption = BestAvailableEncryption(SECRET.encode()) if locked else NoEncryption()
    return str(made.private_bytes(Encoding.PEM, form, encryption).decode())


def openssh_key(passphrase: str) -> str:
    with TemporaryDirectory() as folder:
        path = Path(folder) / "key"
        subprocess.run(
            ["ssh-keygen", "-q", "-t", "ed25519", "-N", passphrase, "-C", "me", "-f", str(path)], check=True
        )
        return path.read_text()


KINDS = ("openssh", "pkcs8", "rsa", "ec")


def machine(**inputs: Any) -> dict[str, Any]:
    return {"credential_type": "machine", "inputs": inputs}


def vault(**inputs: Any) -> dict[str, Any]:
    return {"credential_type": "vault", "inputs": inputs}


def read_key(text: str, **inputs: Any) -> str:
    return read_credentials([machine(ssh_key_data=text, **inputs)]).machine.ssh_key_data


# --- what is read -----


def test_none_given_is_none() -> None:
    assert read_credentials([]) == Credentials(MachineCredential(), ())


def test_machine_credential_has_all_of_awx_s_inputs() -> None:
    inputs = {name: f"the {name}" for name in TYPES["machine"].inputs if not name.startswith("ssh")}
    inputs |= {"ssh_key_data": key("openssh", locked=True), "ssh_key_unlock": SECRET}
    assert read_credentials([machine(**inputs)]).machine == MachineCredential(**inputs)


def test_vault_credentials_stand_in_the_order_they_are_given_in() -> None:
    ids = ("b", "", "a")
    given = [vault(vault_password=f"of {vault_id}", vault_id=vault_id) for vault_id in ids]
    found = read_credentials(given).vaults
    assert found == tuple(VaultCredential(f"of {vault_id}", vault_id) for vault_id in ids)


@pytest.mark.parametrize("name", ["machine", "Machine"])
def test_awx_s_name_of_machine_is_the_same(name: str) -> None:
    found = read_credentials([{"credential_type": name, "inputs": {"username": "me"}}])
    assert found.machine == MachineCredential(username="me")


@pytest.mark.parametrize("name", ["vault", "Vault"])
def test_awx_s_name_of_vault_is_the_same(name: str) -> None:
    found = read_credentials([{"credential_type": name, "inputs": {"vault_password": SECRET}}])
    assert found.vaults == (VaultCredential(SECRET),)


def test_null_and_empty_inputs_are_not_given() -> None:
    found = read_credentials(
        [machine(username=None, password="", become_method="su"), vault(vault_password=SECRET)]
    )
    assert found == Credentials(MachineCredential(become_method="su"), (VaultCredential(SECRET),))
    assert read_credentials([{"credential_type": "machine", "inputs": None}]) == Credentials()


@pytest.mark.parametrize(("given", "read"), [(1234, "1234"), (1.5, "1.5"), (" a b ", " a b "), ("ü", "ü")])
def test_numbers_are_text_and_text_stays_as_it_is(given: object, read: str) -> None:
    assert read_credentials([machine(password=given)]).machine.password == read


# --- keys -----


@pytest.mark.parametrize("kind", KINDS)
def test_key_of_any_kind_is_taken(kind: str) -> None:
    text = key(kind)
    assert read_key(text) == text


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda text: text.replace("\n", "\r\n"), id="windows-lines"),
        pytest.param(lambda text: text.rstrip(), id="no-line-feed-at-its-end"),
        pytest.param(lambda text: f"\n  {text}\n\n", id="space-around"),
    ],
)
def test_key_is_brought_into_the_form_that_ssh_add_takes(change: Any) -> None:
    text = key("openssh")
    assert read_key(change(text)) == text


@pytest.mark.parametrize("kind", KINDS)
def test_locked_key_needs_its_passphrase(kind: str) -> None:
    text = key(kind, locked=True)
    assert read_key(text, ssh_key_unlock=SECRET) == text
    with pytest.raises(Failure) as caught:
        read_key(text)
    assert caught.value.message == (
        "credentials[0].inputs.ssh_key_data is locked with a passphrase; give it as ssh_key_unlock."
    )


def test_passphrase_of_a_key_that_is_not_locked_is_never_asked_for() -> None:
    assert read_key(key("openssh"), ssh_key_unlock=SECRET)


NO_KEY = (
    "credentials[0].inputs.ssh_key_data is not a private key: it must begin with"
    " -----BEGIN ... PRIVATE KEY----- and end with -----END ... PRIVATE KEY-----."
)
NO_LINES = (
    "credentials[0].inputs.ssh_key_data is a private key whose line breaks are lost; in YAML, write it"
    " as a block with |."
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        pytest.param(SECRET, NO_KEY, id="text"),
        pytest.param(f"ssh-ed25519 {SECRET} me", NO_KEY, id="public-key"),
        pytest.param(
            f"-----BEGIN CERTIFICATE-----\n{SECRET}\n-----END CERTIFICATE-----", NO_KEY, id="certificate"
        ),
        pytest.param(f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n", NO_KEY, id="cut"),
        pytest.param(
            f"-----BEGIN RSA PRIVATE KEY-----\n{SECRET}\n-----END EC PRIVATE KEY-----", NO_KEY, id="mixed"
        ),
        pytest.param(f"{SECRET}\n{key('ec')}", NO_KEY, id="something-before"),
        pytest.param(key("openssh").replace("\n", " "), NO_LINES, id="folded"),
        pytest.param(key("rsa").strip().replace("\n", "\\n"), NO_LINES, id="escaped"),
    ],
)
def test_what_is_no_key_is_refused_before_a_pod_is_made(text: str, message: str) -> None:
    with pytest.raises(Failure) as caught:
        read_key(text)
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message == message


# --- what is refused -----

OF_MACHINE = (
    "username, password, ssh_key_data, ssh_key_unlock, become_method, become_username, become_password"
)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        pytest.param(
            [{"credential_type": "aws", "inputs": {"password": SECRET}}],
            "credentials[0].credential_type is 'aws'; a launch takes machine and vault.",
            id="unknown-type",
        ),
        pytest.param(
            [vault(vault_password=SECRET), {"credential_type": None, "inputs": {}}],
            "credentials[1].credential_type is None; a launch takes machine and vault.",
            id="no-type",
        ),
        pytest.param(
            [{"credential_type": "Source Control", "inputs": {"username": SECRET}}],
            "credentials[0].credential_type is 'Source Control'; a launch takes machine and vault.",
            id="type-that-no-launch-takes",
        ),
        pytest.param(
            [machine(pasword=SECRET)],
            f"credentials[0].inputs has 'pasword', which type machine does not; it has {OF_MACHINE}.",
            id="typo",
        ),
        pytest.param(
            [vault(password=SECRET)],
            "credentials[0].inputs has 'password', which type vault does not; it has vault_password,"
            " vault_id.",
            id="input-of-another-type",
        ),
        pytest.param([vault(vault_id="a")], "credentials[0].inputs.vault_password is missing.", id="missing"),
        pytest.param(
            [vault(vault_password="")], "credentials[0].inputs.vault_password is missing.", id="empty"
        ),
        pytest.param(
            [machine(password=[SECRET])],
            "credentials[0].inputs.password must be text, but it is a list.",
            id="list",
        ),
        pytest.param(
            [machine(password={"a": SECRET})],
            "credentials[0].inputs.password must be text, but it is a mapping.",
            id="mapping",
        ),
        pytest.param(
            [machine(become_password=True)],
            "credentials[0].inputs.become_password must be text, but it is true.",
            id="boolean",
        ),
        *(
            pytest.param(
                [machine(become_password=f"{SECRET}{end}")],
                "credentials[0].inputs.become_password must be one line.",
                id=f"lines-{end!r}",
            )
            for end in ("\n", "\r", "\nmore")
        ),
        pytest.param(
            [machine(ssh_key_unlock=SECRET)],
            "credentials[0].inputs.ssh_key_unlock is given without ssh_key_data.",
            id="passphrase-without-key",
        ),
        pytest.param(
            [vault(vault_password=SECRET, vault_id="dev@prompt")],
            "credentials[0].inputs.vault_id must be a name without @, for example prod.",
            id="vault-id-with-source",
        ),
        pytest.param(
            [machine(username="a"), vault(vault_password=SECRET), machine(username="b", password=SECRET)],
            "credentials[2] is a second machine credential; a job takes one.",
            id="two-machines",
        ),
        pytest.param(
            [vault(vault_password=SECRET), vault(vault_password=f"{SECRET}2", vault_id="")],
            "credentials[1] is a second vault credential with no vault_id; give each its own vault_id.",
            id="two-vaults-without-id",
        ),
        pytest.param(
            [vault(vault_password=SECRET, vault_id=7), vault(vault_password=f"{SECRET}2", vault_id="7")],
            "credentials[1] is a second vault credential with vault_id '7'; give each its own vault_id.",
            id="two-vaults-of-one-id",
        ),
    ],
)
def test_wrong_credential_is_told_without_its_secret(given: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(Failure) as caught:
        read_credentials(given)
    failure = caught.value
    assert failure.reason == "InvalidConfiguration"
    assert failure.message == message
    assert SECRET not in repr(failure)
    assert SECRET not in str(failure.as_result())


def test_representation_has_no_secret() -> None:
    secrets = {name: f"{SECRET}-{name}" for name in ("password", "become_password")}
    text = key("openssh")
    found = read_credentials(
        [
            machine(username="me", ssh_key_data=text, ssh_key_unlock=SECRET, **secrets),
            vault(vault_password=SECRET, vault_id="prod"),
        ]
    )
    assert "me" in repr(found)
    assert "prod" in repr(found)
    assert SECRET not in repr(found)
    assert "PRIVATE KEY" not in repr(found)


# --- registries -----


def test_registry_is_read() -> None:
    given = {"host": "https://quay.io/", "username": "me", "password": SECRET, "verify_ssl": "true"}
    assert read_registry(given, "credential") == Registry("quay.io", "me", SECRET)


@pytest.mark.parametrize(
    ("inputs", "words"),
    [
        pytest.param({"username": "me", "password": SECRET}, "credential.host is missing", id="no host"),
        pytest.param({"host": "quay.io", "password": SECRET}, "credential has no username", id="no user"),
        pytest.param({"host": "quay.io", "username": "me"}, "credential has no password", id="no password"),
        pytest.param(
            {"host": "quay.io", "username": "me", "token": SECRET}, "credential has 'token'", id="unknown"
        ),
        pytest.param(
            {"host": f"me:{SECRET}@quay.io", "username": "me", "password": SECRET},
            "credential: host is no registry's",
            id="no registry",
        ),
    ],
)
def test_registry_that_can_t_be_used_is_told(inputs: dict[str, Any], words: str) -> None:
    with pytest.raises(Failure) as caught:
        read_registry(inputs, "credential")
    assert caught.value.reason == "InvalidConfiguration"
    assert caught.value.message.startswith(words)
    assert SECRET not in caught.value.message
