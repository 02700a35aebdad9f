"""How another process asks a running gateway to take its settings anew: two files in its spool's directory.

The gateway looks for a request once a second, does what it asks, and leaves its reply. No signal and no
address is needed, so it works in a container and for another user that may write there.
"""

from __future__ import annotations

import secrets
from contextlib import suppress
from pathlib import Path

import msgspec

from gateway.reload.reports import ReloadReport
from qilu.runtime.private_files import make_folder, read_file, replace_file

_FOLDER = "reload"
_REQUEST, _REPLY = "request.json", "reply.json"


class ReloadRequest(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`who`: for people; `file`: the settings file that is meant; `last_good`: the set that ran before."""

    id: str
    who: str
    file: str = ""
    last_good: bool = False


class _Reply(msgspec.Struct, frozen=True):
    id: str
    report: ReloadReport


class RequestFiles:
    """The two files. OSError where the disk refuses."""

    def __init__(self, directory: Path) -> None:
        self._folder = directory / _FOLDER

    # Who asks.

    def ask(self, who: str, file: str, *, last_good: bool) -> ReloadRequest:
        request = ReloadRequest(secrets.token_hex(8), who, file, last_good)
        make_folder(self._folder)
        replace_file(self._folder / _REQUEST, msgspec.json.encode(request))
        return request

    def is_waiting(self, request: ReloadRequest) -> bool:
        """Whether no gateway has taken this request yet."""
        return self._request() == request

    def withdraw(self) -> None:
        with suppress(OSError):
            (self._folder / _REQUEST).unlink()

    def reply(self, request: ReloadRequest) -> ReloadReport | None:
        """The reply to this request; None while there is none."""
        try:
            document = msgspec.json.decode(read_file(self._folder / _REPLY), type=_Reply)
        except (OSError, msgspec.DecodeError):
            return None
        return document.report if document.id == request.id else None

    # The gateway.

    def take(self) -> ReloadRequest | None:
        """The request that waits, if there is one; it is gone then."""
        request = self._request()
        if request is not None:
            self.withdraw()
        return request

    def put_reply(self, request: ReloadRequest, report: ReloadReport) -> None:
        replace_file(self._folder / _REPLY, msgspec.json.encode(_Reply(request.id, report)))

    def _request(self) -> ReloadRequest | None:
        try:
            return msgspec.json.decode(read_file(self._folder / _REQUEST), type=ReloadRequest)
        except OSError:
            return None
        except msgspec.DecodeError:
            self.withdraw()
            return None
