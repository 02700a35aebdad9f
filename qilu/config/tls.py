"""Which certificates a TLS connection to a server needs: the same keys for every kind of server."""

from __future__ import annotations

import os
import ssl
from pathlib import Path

from pydantic import model_validator

from qilu.contract.errors import ConfigError, UnreachableError, describe_os_error
from qilu.contract.validation import FrozenModel, Problem, raise_problems


class TlsSettings(FrozenModel):
    """Encrypt the connection, and check the server's certificate and name: that cannot be left out."""

    ca: Path | None = None
    """File of the authority to trust (PEM); default: those of the operating system."""
    cert: Path | None = None
    """Our own certificate (PEM), for servers that ask for one."""
    key: Path | None = None
    """Its key (PEM)."""

    @model_validator(mode="after")
    def _key_needs_its_certificate(self) -> TlsSettings:
        if self.key is not None and self.cert is None:
            raise_problems(
                [Problem(("key",), "a key without its certificate", "name the certificate: cert: FILE")]
            )
        return self

    def context(self, key: str) -> ssl.SSLContext:
        """The context for a connection. Reads the files.

        ConfigError naming the file that cannot be used. UnreachableError where our certificate or its key is
        not there or not to be read: whoever renews them may put them there at any moment.
        `key`: where these settings stand, such as `mqtt.tls`.
        """
        context = ssl.create_default_context() if self.ca is None else _trusting(self.ca, f"{key}.ca")
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        if self.cert is not None:
            _present(context, self.cert, self.key, key)
        return context


def _trusting(ca: Path, key: str) -> ssl.SSLContext:
    try:
        return ssl.create_default_context(cafile=ca)
    except (OSError, ssl.SSLError) as error:
        raise _unusable(ca, key, error) from error


def _present(context: ssl.SSLContext, cert: Path, key: Path | None, place: str) -> None:
    for file, name in ((cert, f"{place}.cert"), (key, f"{place}.key")):
        if file is not None and not os.access(file, os.R_OK):
            problem = "cannot be read" if file.exists() else "is not there"
            raise UnreachableError(f"{name}: {file} {problem}; put a PEM file there that this user may read")
    try:
        # An encrypted key would otherwise ask on the terminal, where nobody sits.
        context.load_cert_chain(cert, key, password=lambda: "")
    except (OSError, ssl.SSLError, ValueError) as error:
        raise _unusable(cert, f"{place}.cert", error) from error


def _unusable(file: Path, key: str, error: Exception) -> ConfigError:
    if isinstance(error, ssl.SSLError):
        problem = f"not what TLS needs ({error.reason or error})"
        return ConfigError(
            problem, file=file, key=key, remedy="name a PEM file; cert and key must belong together"
        )
    reason = describe_os_error(error) if isinstance(error, OSError) else str(error)
    return ConfigError(reason, file=file, key=key, remedy="name a file that this user may read")
