"""Errors in three families, by the remedy that the caller has."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from enum import Enum
from pathlib import Path

from qilu.contract.text_escaping import plain


class QiluError(Exception):
    """The root of every error that Qilu raises on purpose; anything else that escapes is a bug."""


class DataError(QiluError):
    """The data itself is wrong: mark it or set it aside, never retry it."""


class UnreachableError(QiluError):
    """The far side is gone or not able to serve: back off and try again, for ever.

    `retry_after`: seconds to wait at least, because the far side asked for it; None where it did not.
    """

    def __init__(self, problem: str, *, retry_after: float | None = None) -> None:
        super().__init__(problem)
        self.retry_after = retry_after


class AccessRefusedError(UnreachableError):
    """The far side is there and does not let us in: the user, the password or the certificate is wrong."""


class LinkEnd(Enum):
    """What is known of the end of a connection."""

    EXPLAINED = "the far side, or we, gave the reason"
    CLOSED = "the far side or the network closed it, for no known reason: perhaps for what was on its way"
    TIMED_OUT = "nothing came in time: the line is cut, or too slow for what was on its way"


class LinkLostError(UnreachableError):
    """A connection that had been made has ended."""

    def __init__(self, problem: str, end: LinkEnd, *, retry_after: float | None = None) -> None:
        super().__init__(problem, retry_after=retry_after)
        self.end = end


class TimedOutError(UnreachableError):
    """The far side did not do it in time: it is slow, or the line to it. Less at once may fit."""


class ConfigError(QiluError):
    """What the user wrote is wrong: report the place and the remedy, end with exit code 2.

    `str()` is `FILE:LINE: KEY: PROBLEM; REMEDY`, without the parts that are not known. `further` are
    further errors found in the same pass; each follows on a line of its own.
    """

    def __init__(
        self,
        problem: str,
        *,
        file: Path | str | None = None,
        line: int | None = None,
        key: str | None = None,
        remedy: str | None = None,
    ) -> None:
        super().__init__(problem)
        self.problem = problem
        self.file = None if file is None else str(file)
        self.line = line
        self.key = key
        self.remedy = remedy
        self.further: Sequence[ConfigError] = ()

    def __str__(self) -> str:
        return "\n".join(error.own_text() for error in self.each())

    def each(self) -> Iterator[ConfigError]:
        """This error and all after it."""
        yield self
        for error in self.further:
            yield from error.each()

    def own_text(self) -> str:
        """Of this error alone, in one line."""
        place = "" if self.file is None else self.file
        if self.line is not None:
            place = f"{place}:{self.line}" if place else f"line {self.line}"
        remedy = None if self.remedy is None else f"; {self.remedy}"
        return plain(": ".join(part for part in (place, self.key, self.problem) if part) + (remedy or ""))


def combined(errors: Sequence[ConfigError]) -> ConfigError:
    """One error of one or more: the first, with the others after it."""
    first, *further = errors
    first.further = (*first.further, *further)
    return first


@contextmanager
def writing(file: Path, remedy: str, key: str | None = None) -> Iterator[None]:
    """Inside, `file` is written: ConfigError with this remedy where the operating system refuses."""
    try:
        yield
    except OSError as error:
        problem = f"cannot be written: {describe_os_error(error)}"
        raise ConfigError(problem, file=file, key=key, remedy=remedy) from error


def describe_os_error(error: OSError) -> str:
    """Why the operating system refused, in lower case and without number and file name."""
    return (error.strerror or str(error)).lower()
