"""The mosquitto broker as a test's own server."""

import os
import subprocess
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path

from tests.servers.authority import Tls
from tests.servers.process import HOST, Server
from tests.servers.programs import require


class Mosquitto(Server):
    """By default it admits everybody on this machine, keeps sessions on disk and drops no queued message.

    users: name -> password; with them nobody else gets in. acl: the text of an ACL file.
    tls: the listener speaks TLS; with `clients_must_show` clients need a certificate of the same authority.
    lines: more settings, placed behind those of the listener.
    config: the whole configuration, made from the server (its `port`, its `directory`), instead of all that.
    """

    name = "mosquitto"

    def __init__(
        self,
        directory: Path,
        *,
        users: Mapping[str, str] | None = None,
        acl: str | None = None,
        tls: Tls | None = None,
        lines: Iterable[str] = (),
        config: Callable[["Mosquitto"], str] | None = None,
        port: int | None = None,
    ) -> None:
        super().__init__(directory, port)
        self.users = dict(users or {})
        self.acl = acl
        self.tls = tls
        self.lines = tuple(lines)
        self._config = config

    def command(self) -> Sequence[str | Path]:
        path = self.directory / "mosquitto.conf"
        path.write_text(self._config(self) if self._config else self._default_config())
        return [require("mosquitto"), "-c", path, "-v"]

    def _default_config(self) -> str:
        return "\n".join(
            [
                *(["user root"] if os.getuid() == 0 else []),  # or it would change to a user of its own
                "persistence true",
                f"persistence_location {self.directory}/",
                "max_queued_messages 0",  # the default drops everything above 1000
                f"listener {self.port} {HOST}",
                *self._access(),
                *self._tls_lines(),
                *self.lines,
                "",
            ]
        )

    def _access(self) -> list[str]:
        lines = [f"allow_anonymous {'false' if self.users else 'true'}"]
        if self.users:
            lines.append(f"password_file {self.write_passwords(self.users)}")
        if self.acl is not None:
            acl = self.directory / "acl"
            acl.write_text(self.acl)
            acl.chmod(0o600)
            lines.append(f"acl_file {acl}")
        return lines

    def _tls_lines(self) -> list[str]:
        if self.tls is None:
            return []
        lines = [f"certfile {self.tls.certificate}", f"keyfile {self.tls.key}", f"cafile {self.tls.ca}"]
        if self.tls.clients_must_show:
            lines += ["require_certificate true", "use_identity_as_username true"]
        return lines

    def write_passwords(self, users: Mapping[str, str]) -> Path:
        """A password file with these users in the server's folder."""
        path = self.directory / "passwords"
        path.write_text("".join(f"{name}:{password}\n" for name, password in users.items()))
        path.chmod(0o600)
        subprocess.run([require("mosquitto_passwd"), "-U", path], check=True, capture_output=True)
        return path
