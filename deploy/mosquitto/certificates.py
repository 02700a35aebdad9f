"""The throw-away authority and the certificate of the broker, made with `openssl`."""

from __future__ import annotations

import ipaddress
import secrets
import subprocess
import sys
from pathlib import Path

DAYS = 825


def make_authority(folder: Path) -> None:
    """ca.pem, which clients trust, and ca.key."""
    extensions = "basicConstraints=critical,CA:TRUE,pathlen:0", "keyUsage=critical,keyCertSign,cRLSign"
    openssl(
        folder, "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
        "-subj", "/O=Qilu/CN=Qilu trial authority", "-days", str(DAYS), "-keyout", "ca.key", "-out", "ca.pem",
        *(word for extension in extensions for word in ("-addext", extension)),
    )  # fmt: skip


def make_certificate(folder: Path, names: list[str]) -> None:
    """server.pem and server.key, good for these names and addresses."""
    openssl(
        folder, "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-sha256",
        "-subj", f"/O=Qilu/CN={names[0]}", "-keyout", "server.key", "-out", "server.csr",
    )  # fmt: skip
    extensions = folder / "server.ext"
    extensions.write_text(
        "basicConstraints=critical,CA:FALSE\nkeyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth\n"
        "subjectKeyIdentifier=hash\nauthorityKeyIdentifier=keyid\n"
        f"subjectAltName={','.join(map(alternative, names))}\n"
    )
    openssl(
        folder, "x509", "-req", "-in", "server.csr", "-CA", "ca.pem", "-CAkey", "ca.key", "-sha256",
        "-set_serial", str(secrets.randbits(120)), "-days", str(DAYS), "-extfile", "server.ext",
        "-out", "server.pem",
    )  # fmt: skip
    for left in ("server.csr", "server.ext"):
        (folder / left).unlink()


def alternative(name: str) -> str:
    """A name or an address as a certificate spells it."""
    try:
        return f"IP:{ipaddress.ip_address(name)}"
    except ValueError:
        return f"DNS:{name}"


def openssl(folder: Path, *words: str) -> None:
    """Run it in the folder; what it says is shown only when it fails."""
    try:
        subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True, text=True)
    except FileNotFoundError:
        sys.exit("openssl is not on this machine: install it, or copy server.pem, server.key and ca.pem here")
    except subprocess.CalledProcessError as error:
        sys.exit(f"openssl {words[0]}: {error.stderr.strip()}")
