"""Key pairs are OpenSSH texts that OpenSSH itself accepts."""

import subprocess
from pathlib import Path

import pytest

from deployments.remote import RemoteError, generate_key_pair, public_key_of


def ssh_keygen(*arguments: str | Path) -> str:
    command = ["ssh-keygen", *arguments]
    done = subprocess.run(command, check=True, capture_output=True, text=True)  # noqa: S603
    return done.stdout


def test_a_new_key_pair_is_ed25519_and_its_private_text_ends_with_a_newline() -> None:
    pair = generate_key_pair("slipway")

    assert pair.public_key.startswith("ssh-ed25519 ")
    assert pair.public_key.endswith(" slipway")
    assert pair.private_key.startswith("-----BEGIN OPENSSH PRIVATE KEY-----\n")
    assert pair.private_key.endswith("-----END OPENSSH PRIVATE KEY-----\n")


def test_two_key_pairs_differ() -> None:
    assert generate_key_pair("a").private_key != generate_key_pair("a").private_key


def test_the_public_half_follows_from_the_private_one() -> None:
    pair = generate_key_pair("slipway")

    assert public_key_of(pair.private_key) == pair.public_key.removesuffix(" slipway")


def test_a_text_that_is_no_key_is_refused_without_being_quoted() -> None:
    with pytest.raises(RemoteError) as caught:
        public_key_of("hunter2-is-not-a-key")

    assert caught.value.code == "E_LOGIN_KEY"
    assert caught.value.remedy
    assert "hunter2" not in str(caught.value)


def test_the_private_half_is_in_no_representation() -> None:
    assert "PRIVATE" not in repr(generate_key_pair("slipway"))


def test_a_users_own_rsa_key_in_pem_form_can_be_used(tmp_path: Path) -> None:
    path = tmp_path / "id_rsa"
    ssh_keygen("-q", "-t", "rsa", "-b", "2048", "-m", "PEM", "-N", "", "-f", path)

    public_key = public_key_of(path.read_text())

    assert public_key.split()[:2] == path.with_suffix(".pub").read_text().split()[:2]


def test_a_key_with_a_passphrase_is_refused_with_the_remedy(tmp_path: Path) -> None:
    path = tmp_path / "id_ed25519"
    ssh_keygen("-q", "-t", "ed25519", "-N", "secret", "-f", path)

    with pytest.raises(RemoteError, match="not a private key that can be used") as caught:
        public_key_of(path.read_text())

    assert "passphrase" in caught.value.remedy


def test_openssh_accepts_the_private_text_as_we_write_it(tmp_path: Path) -> None:
    pair = generate_key_pair("slipway")
    path = tmp_path / "key"
    path.write_text(pair.private_key)
    path.chmod(0o600)

    printed = ssh_keygen("-y", "-f", path)

    assert printed.split()[:2] == pair.public_key.split()[:2]
