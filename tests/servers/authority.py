"""A throw-away certificate authority, for brokers that speak TLS in tests."""

import datetime
from dataclasses import dataclass
from pathlib import Path

import trustme


@dataclass(frozen=True, slots=True)
class Tls:
    """The files that a server needs to speak TLS."""

    certificate: Path
    key: Path
    ca: Path
    clients_must_show: bool = False


class Authority:
    """Writes its own certificate (`ca`) and those it issues as PEM files into one folder."""

    def __init__(self, directory: Path, organisation: str = "Plant authority") -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.directory = directory
        self.ca = directory / "ca.pem"
        self._ca = trustme.CA(organization_name=organisation)
        self._ca.cert_pem.write_to_path(str(self.ca))

    def issue(
        self,
        *names: str,
        expired: bool = False,
        not_yet: bool = False,
        common_name: str | None = None,
        clients_must_show: bool = False,
    ) -> Tls:
        """A certificate for these host names and addresses (127.0.0.1 and localhost when none is given)."""
        ends = datetime.datetime.now(datetime.UTC) - datetime.timedelta(days=1) if expired else None
        begins = datetime.datetime.now(datetime.UTC) + datetime.timedelta(days=1) if not_yet else None
        issued = self._ca.issue_cert(
            *(names or ("127.0.0.1", "localhost")),
            common_name=common_name,
            not_before=begins,
            not_after=ends,
        )
        stem = f"{len(list(self.directory.iterdir()))}-{names[0] if names else 'localhost'}"
        certificate, key = self.directory / f"{stem}.pem", self.directory / f"{stem}.key"
        issued.cert_chain_pems[0].write_to_path(str(certificate))
        issued.private_key_pem.write_to_path(str(key))
        return Tls(certificate, key, self.ca, clients_must_show)
