"""HAProxy and Tinyproxy as a test's own servers: what stands between an edge and a broker in a plant."""

from collections.abc import Sequence
from pathlib import Path

from tests.servers.authority import Tls
from tests.servers.process import HOST, Server
from tests.servers.programs import require


class HAProxy(Server):
    """Ends TLS, and passes what asks for a WebSocket on to a listener of a broker on this machine."""

    name = "haproxy"

    def __init__(self, directory: Path, tls: Tls, backend: int) -> None:
        super().__init__(directory)
        self.tls = tls
        self.backend = backend

    def command(self) -> Sequence[str | Path]:
        both = self.directory / "server.pem"
        both.write_text(self.tls.certificate.read_text() + self.tls.key.read_text())
        config = self.directory / "haproxy.cfg"
        config.write_text(
            "global\n  maxconn 100\n"
            "defaults\n  mode http\n  timeout connect 5s\n  timeout client 60s\n  timeout server 60s\n"
            "  timeout tunnel 1h\n"
            f"frontend public\n  bind {HOST}:{self.port} ssl crt {both}\n"
            "  acl wanted hdr(Upgrade) -i WebSocket\n  acl wanted_path path /mqtt\n"
            "  http-request deny unless wanted wanted_path\n  default_backend broker\n"
            f"backend broker\n  server mosquitto {HOST}:{self.backend}\n"
        )
        return [require("haproxy"), "-db", "-f", config]


class Tinyproxy(Server):
    """An HTTP proxy that lets through to `ports` only; with `users` for those only."""

    name = "tinyproxy"

    def __init__(self, directory: Path, ports: Sequence[int], users: Sequence[tuple[str, str]] = ()) -> None:
        super().__init__(directory)
        self.ports = ports
        self.users = users

    def command(self) -> Sequence[str | Path]:
        config = self.directory / "tinyproxy.conf"
        lines = [f"Port {self.port}", f"Listen {HOST}", "Timeout 600", "MaxClients 20", f"Allow {HOST}"]
        lines += [f"ConnectPort {port}" for port in self.ports]
        lines += [f"BasicAuth {user} {password}" for user, password in self.users]
        config.write_text("\n".join([*lines, ""]))
        return [require("tinyproxy"), "-d", "-c", config]
