"""Keys: made once, kept private, trusted from a file, rotated with an overlap."""

from __future__ import annotations

import base64
import stat
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from click.testing import CliRunner, Result
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
    load_pem_public_key,
)
from nacl.signing import SigningKey

from jobqueue.cli.main import main
from jobqueue.errors import InvalidSettings
from jobqueue.settings import Settings
from jobqueue.trust.signing import pem, signer
from jobqueue.trust.signing.signer import Signer, is_signed
from jobqueue.trust.signing.trusted import TrustedKeys


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(state_dir=tmp_path / "state")


def id_of(found: Signer) -> str:
    return pem.key_id(found.public_key)


def test_the_first_start_makes_a_key_that_only_its_owner_can_read(settings: Settings) -> None:
    made = Signer.open(settings)
    assert stat.S_IMODE(settings.signing_key.stat().st_mode) == 0o600
    assert b"PRIVATE" not in settings.trusted_keys.read_bytes()
    assert TrustedKeys.open(settings.trusted_keys).ids() == [id_of(made)]
    assert id_of(Signer.open(settings)) == id_of(made)
    assert sorted(path.name for path in settings.state_dir.iterdir()) == [
        ".signing.pub.lock",
        "signing.key",
        "signing.pub",
    ]


def test_processes_that_start_at_once_have_one_key(settings: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    # threads stand for processes here, so their drafts need names of their own
    numbers = iter(range(1, 100))
    monkeypatch.setattr(pem.os, "getpid", lambda: next(numbers))
    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(lambda _: Signer.open(settings), range(8)))
    assert len({id_of(one) for one in found}) == 1
    assert TrustedKeys.open(settings.trusted_keys).ids() == [id_of(found[0])]


def test_a_key_elsewhere_is_never_made_by_itself(tmp_path: Path) -> None:
    settings = Settings(state_dir=tmp_path, signing_key=tmp_path / "vault" / "key.pem")
    with pytest.raises(InvalidSettings, match=r"JOBQUEUE_SIGNING_KEY names .*key.pem, which does not exist"):
        Signer.open(settings)
    assert not settings.trusted_keys.exists()


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660])
def test_a_private_key_that_others_can_read_is_refused(settings: Settings, mode: int) -> None:
    Signer.open(settings)
    settings.signing_key.chmod(mode)
    with pytest.raises(InvalidSettings, match=r"Other users may read the private key .*chmod 600"):
        Signer.open(settings)


@pytest.mark.parametrize("mode", [0o664, 0o646])
def test_a_file_of_trusted_keys_that_others_can_write_is_refused(settings: Settings, mode: int) -> None:
    Signer.open(settings)
    settings.trusted_keys.chmod(mode)
    with pytest.raises(InvalidSettings, match=r"Other users may write .*chmod go-w"):
        TrustedKeys.open(settings.trusted_keys)


def test_only_ed25519_keys_sign(settings: Settings) -> None:
    settings.state_dir.mkdir()
    other = generate_private_key(SECP256R1())
    settings.signing_key.write_bytes(other.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    settings.signing_key.chmod(0o600)
    with pytest.raises(InvalidSettings, match="must be Ed25519"):
        Signer.open(settings)
    settings.trusted_keys.write_bytes(other.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo))
    with pytest.raises(InvalidSettings, match="only Ed25519"):
        TrustedKeys.open(settings.trusted_keys)


def test_key_files_are_those_of_other_libraries(settings: Settings) -> None:
    """Both directions, with OpenSSL's encoder as the judge."""
    own = Signer.open(settings)
    private, public = settings.signing_key.read_bytes(), settings.trusted_keys.read_bytes()
    theirs = load_pem_private_key(private, password=None)
    assert isinstance(theirs, Ed25519PrivateKey)
    assert theirs.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) == private
    assert theirs.public_key() == load_pem_public_key(public)
    assert own.sign(b"work", b"message").split(".")[1] == base64.urlsafe_b64encode(
        theirs.sign(signer.framed(b"work", b"message"))
    )[:-2].decode("ascii")

    made = Ed25519PrivateKey.generate()
    settings.signing_key.write_bytes(made.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    public_bytes = made.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    assert bytes(Signer.open(settings).public_key) == public_bytes
    windows = made.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).replace(b"\n", b"\r\n")
    settings.trusted_keys.write_bytes(windows)
    assert [bytes(key) for key in pem.read_public(settings.trusted_keys).values()] == [public_bytes]


def test_a_private_key_with_a_password_or_cut_off_is_refused(settings: Settings) -> None:
    Signer.open(settings)
    whole = settings.signing_key.read_bytes()
    locked = Ed25519PrivateKey.generate().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"password")
    )
    for content in (locked, whole[:-40], whole.replace(b"MC4", b"MC8"), whole.replace(b"MC4", b"M!4"), b""):
        settings.signing_key.write_bytes(content)
        with pytest.raises(InvalidSettings, match=r"is not an unencrypted private key in PEM \(PKCS #8\)"):
            Signer.open(settings)


@pytest.mark.parametrize("text", ["", "# nothing\n", "no key"])
def test_an_agent_without_a_trusted_key_gets_instructions(tmp_path: Path, text: str) -> None:
    path = tmp_path / "signing.pub"
    path.write_text(text)
    with pytest.raises(InvalidSettings, match=r"Copy signing.pub .* JOBQUEUE_TRUSTED_KEYS"):
        TrustedKeys.open(path)
    with pytest.raises(InvalidSettings, match=r"Copy signing.pub"):
        TrustedKeys.open(tmp_path / "nowhere")


def test_a_private_key_among_the_trusted_ones_is_refused(settings: Settings) -> None:
    """It would let anyone who reads the agent's host sign work for all hosts."""
    Signer.open(settings)
    settings.trusted_keys.write_bytes(settings.trusted_keys.read_bytes() + settings.signing_key.read_bytes())
    with pytest.raises(InvalidSettings, match="other data than public keys"):
        TrustedKeys.open(settings.trusted_keys)


def test_a_signature_is_for_one_purpose_and_one_message(settings: Settings) -> None:
    own = Signer.open(settings)
    text = own.sign(b"work", b"message")
    assert len(text) == signer.LENGTH
    key = own.public_key
    assert is_signed(key, text, b"work", b"message")
    assert not is_signed(key, text, b"result", b"message")
    assert not is_signed(key, text, b"work", b"messagf")
    assert not is_signed(key, text[:-1], b"work", b"message")
    assert not is_signed(key, text + "=", b"work", b"message")
    assert not is_signed(key, text[:-1] + "\u00e9", b"work", b"message")
    assert not is_signed(SigningKey.generate().verify_key, text, b"work", b"message")
    zeros = pem.key_id(key) + "." + base64.urlsafe_b64encode(bytes(64))[:-2].decode()
    assert not is_signed(key, zeros, b"work", b"message")


def test_a_file_of_trusted_keys_is_read_again(settings: Settings) -> None:
    first = Signer.open(settings).public_key
    clock = [0.0]
    keys = TrustedKeys(settings.trusted_keys, clock=lambda: clock[0])
    second = SigningKey.generate().verify_key
    assert keys.get(pem.key_id(first)) is not None
    signer.trust(settings.trusted_keys, second)
    assert keys.get(pem.key_id(second)) is not None  # at once: it may have come with a rotation
    signer.untrust(settings.trusted_keys, pem.key_id(first))
    clock[0] += signer.LOOK_SECONDS
    assert keys.get(pem.key_id(first)) is None
    settings.trusted_keys.write_text("-----BEGIN PUBLIC KEY-----\nhalf of")  # a copy in progress
    clock[0] += signer.LOOK_SECONDS
    assert keys.get(pem.key_id(second)) is not None
    settings.trusted_keys.unlink()
    clock[0] += signer.LOOK_SECONDS
    assert keys.get(pem.key_id(second)) is None


def run(settings: Settings, *arguments: str) -> Result:
    result = CliRunner().invoke(main, ["signing", *arguments], env={"JOBQUEUE_STATE_DIR": str(settings.state_dir)})
    assert result.exception is None or isinstance(result.exception, SystemExit), result.output
    return result


def test_a_rotation_keeps_the_old_key_trusted(settings: Settings) -> None:
    running = Signer.open(settings)
    keys = TrustedKeys.open(settings.trusted_keys)
    before, old = id_of(running), running.sign(b"work", b"x")
    result = run(settings, "rotate")
    assert result.exit_code == 0, result.output
    running._looked -= signer.LOOK_SECONDS
    new = running.sign(b"work", b"x")
    after = id_of(running)
    assert after != before
    for text in (old, new):
        key = keys.get(text[: pem.ID_LENGTH])
        assert key is not None
        assert is_signed(key, text, b"work", b"x")
    listed = run(settings, "list").output
    assert [line.split()[:2] for line in listed.splitlines()[1:]] == [[before, "still"], [after, "signs"]]


def test_a_key_that_is_prepared_signs_only_after_the_rotation(settings: Settings) -> None:
    before = id_of(Signer.open(settings))
    assert run(settings, "prepare").exit_code == 0
    prepared = TrustedKeys.open(settings.trusted_keys).ids()[1]
    assert run(settings, "prepare").exit_code == 0  # the same again
    assert TrustedKeys.open(settings.trusted_keys).ids() == [before, prepared]
    assert id_of(Signer.open(settings)) == before
    assert "signs after the next rotation" in run(settings, "list").output
    assert run(settings, "rotate").exit_code == 0
    assert id_of(Signer.open(settings)) == prepared
    assert [path.name for path in settings.state_dir.glob("*.next")] == []


def test_a_key_that_signs_cannot_be_retired(settings: Settings) -> None:
    before = id_of(Signer.open(settings))
    assert "rotate" in run(settings, "retire", before).output
    run(settings, "rotate")
    assert run(settings, "retire", before).exit_code == 0
    assert TrustedKeys.open(settings.trusted_keys).ids() == [id_of(Signer.open(settings))]
    result = run(settings, "retire", before)
    assert result.exit_code == 2
    assert f"does not contain the key {before}" in result.output


def test_no_command_prints_a_private_key(settings: Settings) -> None:
    Signer.open(settings)
    secret = settings.signing_key.read_text().splitlines()[1]
    for arguments in (["list"], ["prepare"], ["rotate"], ["list"]):
        assert secret not in run(settings, *arguments).output
