"""Signatures with SSH keys: everybody has one, and ``ssh-keygen -Y`` makes and checks them."""

from __future__ import annotations

import re
import subprocess
import tempfile
from pathlib import Path

from pipeline.errors import UserError

NAMESPACE = "ssl-reproduction"
_TIMEOUT = 60


def line(root: str) -> bytes:
    """What is signed: the hash of a bundle's manifest, which lists every file of it."""
    return f"{NAMESPACE} bundle {root}\n".encode()


def sign(root: str, key: Path) -> bytes:
    """Signature of the hash of a manifest.

    Args:
        root: The hash.
        key: File of the private key, or of the public key of one that an agent holds.

    Raises:
        UserError: There is no such key, or ssh-keygen does not sign with it.
    """
    if not key.is_file():
        raise UserError(f"{key}: no such key; type: ssh-keygen -t ed25519, or name another with --sign")
    with tempfile.TemporaryDirectory() as folder:
        text = Path(folder, "root")
        text.write_bytes(line(root))
        done = _keygen("sign", "-f", str(key), "-n", NAMESPACE, str(text), interactive=True)
        made = Path(folder, "root.sig")
        if done.returncode != 0 or not made.is_file():
            raise UserError(f"{key}: ssh-keygen does not sign with it: {_last(done.stderr)}")
        return made.read_bytes()


def signer(root: str, signature: bytes) -> str | None:
    """Fingerprint of the key that signed, None if the signature is not one of this hash.

    Raises:
        UserError: ssh-keygen is not installed.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "signature")
        path.write_bytes(signature)
        done = _keygen("check-novalidate", "-n", NAMESPACE, "-s", str(path), text=line(root))
    found = re.search(rb"(SHA256:[A-Za-z0-9+/]{20,60})", done.stdout)
    return found[1].decode() if done.returncode == 0 and found else None


def by(root: str, signature: bytes, known: Path) -> str | None:
    """Who of ``known`` signed; None if nobody of them.

    Args:
        root: The hash of the manifest.
        signature: The signature.
        known: A public key, or a file of allowed signers as ssh-keygen has it.

    Raises:
        UserError: The file holds neither, or ssh-keygen is not installed.
    """
    try:
        text = known.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f"{known}: not readable ({error}); name a public key with --signer") from None
    lines = [entry.strip() for entry in text.splitlines() if entry.strip() and not entry.lstrip().startswith("#")]
    if not lines or "PRIVATE KEY" in lines[0]:
        raise UserError(f"{known}: no public key; name a .pub file or a file of allowed signers with --signer")
    plain = [entry for entry in lines if re.match(r"(ssh-|ecdsa-|sk-)\S+ AAAA", entry)]
    allowed = [f"signer {entry}" if entry in plain else entry for entry in lines]
    with tempfile.TemporaryDirectory() as folder:
        path, signers = Path(folder, "signature"), Path(folder, "signers")
        path.write_bytes(signature)
        signers.write_text("\n".join(allowed) + "\n", encoding="utf-8")
        found = (
            _keygen("find-principals", "-s", str(path), "-f", str(signers)).stdout.decode("utf-8", "replace").split()
        )
        for who in found[:1]:
            options = ("-I", who, "-n", NAMESPACE, "-s", str(path), "-f", str(signers))
            if _keygen("verify", *options, text=line(root)).returncode == 0:
                return known.name if who == "signer" else who
    return None


def _keygen(what: str, *options: str, text: bytes = b"", interactive: bool = False) -> subprocess.CompletedProcess:
    command = ["ssh-keygen", "-Y", what, *options]
    try:
        if interactive:  # it asks on the terminal for the key's passphrase
            return subprocess.run(command, capture_output=True, check=False)
        return subprocess.run(command, input=text, capture_output=True, check=False, timeout=_TIMEOUT)
    except FileNotFoundError:
        raise UserError("ssh-keygen: not found; install OpenSSH 8.1 or later, or leave signatures out") from None
    except subprocess.TimeoutExpired:
        raise UserError("ssh-keygen: no answer within a minute; type the same command again") from None


def _last(text: bytes) -> str:
    lines = text.decode("utf-8", "replace").strip().splitlines()
    return lines[-1] if lines else "no reason given"
