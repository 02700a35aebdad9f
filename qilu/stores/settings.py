"""The settings of a store: its address and the user."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from pydantic import Field, field_validator, model_validator

from qilu.config.settings_file import read_secret
from qilu.contract.limits import StoreName
from qilu.contract.units import Duration, Period
from qilu.contract.validation import FrozenModel, Problem, raise_problems, validation_error

Kind = Literal["influxdb1", "influxdb2", "influxdb3", "victoriametrics"]


class SqliteSettings(FrozenModel):
    """The embedded store: one file on this machine."""

    type: Literal["sqlite"]
    file: Path
    """Where it is, made when it is not there; on a disk of this machine."""
    name: StoreName | None = None
    """The store's id in acknowledgements; default: the id that the file got when it was created."""
    group: Annotated[str, Field(min_length=1)] | None = None
    """The group of this system that may read it; default: only the user of the ingester."""
    retention: Period | None = None
    """Seconds for which single readings are kept, by their own time; default: for ever."""
    rollup_retention: Period | None = None
    """Seconds for which their one-minute summaries are kept; default: for ever."""


class InfluxSettings(FrozenModel):
    """A server that takes line protocol. Secrets stand in a file or in the environment, never here."""

    type: Literal["influx"]
    server: Kind
    """Which server it is."""
    url: str
    """`http://HOST:PORT` or `https://...`."""
    name: StoreName | None = None
    """The store's id in acks; default: SERVER:HOST:PORT[/DATABASE]. Give one where the address of the same
    store may change, or differ from ingester to ingester."""
    database: Annotated[str, Field(min_length=1)] | None = None
    """Of InfluxDB 1 and 3."""
    bucket: Annotated[str, Field(min_length=1)] | None = None
    """Of InfluxDB 2."""
    org: Annotated[str, Field(min_length=1)] | None = None
    """The organisation, of InfluxDB 2."""
    token_file: Path | None = None
    """A file that holds the token and nothing else."""
    token_env: str | None = None
    """The environment variable that holds the token, in place of a file."""
    username: str | None = None
    """As whom to write, where there are users and no tokens."""
    password_file: Path | None = None
    """A file that holds the password and nothing else."""
    password_env: str | None = None
    """The environment variable that holds the password, in place of a file."""
    ca: Path | None = None
    """File of the authority to trust (PEM); default: those of the operating system."""
    durability_delay: Duration | None = None
    """Seconds until what was written survives the store's crash; default: 30s for VictoriaMetrics, else 0."""
    timeout: Period = 10.0
    """Seconds that one request may take."""
    gzip: bool | None = None
    """Whether requests are compressed; default: where the store is not on this machine."""

    @field_validator("url")
    @classmethod
    def _is_an_address(cls, url: str) -> str:
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname or parts.query or parts.fragment:
            raise validation_error(
                f"{url!r} is not the address of a server", "write http://HOST:PORT or https://..."
            )
        if parts.username is not None or parts.password is not None:
            raise validation_error("a password does not belong here", "use username and password_file")
        return url.rstrip("/")

    @model_validator(mode="after")
    def _fits_its_server(self) -> InfluxSettings:
        problems = [*self._missing(), *self._twice()]
        if self.username is None and (self.password_file or self.password_env):
            problems.append(Problem(("username",), "a password without a user", "add username: NAME"))
        raise_problems(problems)
        return self

    def _missing(self) -> list[Problem]:
        needed = {
            "influxdb1": ("database",),
            "influxdb2": ("bucket", "org"),
            "influxdb3": ("database",),
            "victoriametrics": (),
        }[self.server]
        missing = [key for key in needed if getattr(self, key) is None]
        extra = [key for key in ("database", "bucket", "org") if key not in needed and getattr(self, key)]
        return [
            *(Problem((key,), f"{self.server} needs it", f"add {key}: NAME") for key in missing),
            *(Problem((key,), f"{self.server} has none", "remove it, or correct `server`") for key in extra),
        ]

    def _twice(self) -> list[Problem]:
        pairs = (("token_file", "token_env"), ("password_file", "password_env"))
        return [
            Problem((second,), "the secret is named twice", f"keep {first} or {second}")
            for first, second in pairs
            if getattr(self, first) is not None and getattr(self, second) is not None
        ]

    @property
    def identity(self) -> str:
        """The store's id: the same for all ingesters that fill it."""
        if self.name is not None:
            return self.name
        parts = urlsplit(self.url)
        port = parts.port or (443 if parts.scheme == "https" else 80)
        inside = self.database or self.bucket
        path = parts.path + (f"/{inside}" if inside else "")
        return f"{self.server}:{parts.hostname}:{port}{path}"

    @property
    def effective_durability_delay(self) -> float:
        """Seconds until what was written survives the store's own crash."""
        if self.durability_delay is not None:
            return self.durability_delay
        return 30.0 if self.server == "victoriametrics" else 0.0

    def token(self) -> str | None:
        """The token, read anew; None where none is named. ConfigError when it is not there."""
        key = "store.token_file" if self.token_env is None else "store.token_env"
        return read_secret(self.token_file, self.token_env, key=key)

    def password(self) -> str | None:
        """The password, read anew; None where none is named. ConfigError when it is not there."""
        key = "store.password_file" if self.password_env is None else "store.password_env"
        return read_secret(self.password_file, self.password_env, key=key)


StoreSettings = Annotated[SqliteSettings | InfluxSettings, Field(discriminator="type")]
"""The `store:` of a settings file."""
