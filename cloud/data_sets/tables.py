"""Rows of a table on disk, one after the other: CSV, compressed CSV, or Parquet with pyarrow."""

from __future__ import annotations

import csv
import gzip
import importlib
import zlib
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any, NamedTuple, cast

from qilu.contract.errors import ConfigError, describe_os_error

MAX_LINE = 4_000_000
"""Characters of a line: more than the values of the largest record take."""
_PARQUET_ROWS = 5_000


class Row(NamedTuple):
    """A row: of CSV its cells are texts, of Parquet values; an empty cell is "" or None."""

    line: int
    """Of the file, counted from 1; of Parquet, the number of the row."""
    cells: Sequence[Any]


def rows(file: Path) -> Iterator[Row]:
    """The heading and the rows below it; ConfigError: no such file, damaged, or a row of another length."""
    with _errors_of(file):
        table = _parquet(file) if file.suffix == ".parquet" else _csv(file)
        heading = next(table, None)
        if heading is None:
            raise ConfigError("the table is empty", file=file, remedy="export it again")
        yield heading
        for row in table:
            if len(row.cells) != len(heading.cells):
                problem = f"{len(row.cells)} cells, where the heading has {len(heading.cells)}"
                raise ConfigError(
                    problem, file=file, line=row.line, remedy="repair the line, or export again"
                )
            yield row


def _csv(file: Path) -> Iterator[Row]:
    csv.field_size_limit(MAX_LINE)
    with _opened(file) as opened:
        reader = csv.reader(_bounded(opened, file), strict=True)
        try:
            for cells in reader:
                if cells:
                    yield Row(reader.line_num, cells)
        except csv.Error as error:
            problem = str(error)
            raise ConfigError(problem, file=file, line=reader.line_num, remedy="repair the line") from error


def _opened(file: Path) -> IO[str]:
    if file.suffix == ".gz":
        return cast("IO[str]", gzip.open(file, "rt", encoding="utf-8", newline=""))
    return file.open(encoding="utf-8-sig", newline="")


def _bounded(opened: IO[str], file: Path) -> Iterator[str]:
    number = 0
    while line := opened.readline(MAX_LINE):
        number += 1
        if len(line) == MAX_LINE:
            problem = f"a line of more than {MAX_LINE} characters"
            raise ConfigError(problem, file=file, line=number, remedy="name a file of CSV")
        yield line


def _parquet(file: Path) -> Iterator[Row]:
    importlib.import_module("pyarrow")  # without it the name of the extra is the error
    parquet: Any = importlib.import_module("pyarrow.parquet")
    error_type: type[Exception] = importlib.import_module("pyarrow").ArrowException
    try:
        with parquet.ParquetFile(file) as table:
            yield Row(0, list(table.schema_arrow.names))
            number = 0
            for batch in table.iter_batches(_PARQUET_ROWS):
                for cells in zip(*(column.to_pylist() for column in batch.columns), strict=True):
                    number += 1
                    yield Row(number, cells)
    except error_type as error:
        raise ConfigError(f"no Parquet: {error}", file=file, remedy="export it again") from error


@contextmanager
def _errors_of(file: Path) -> Iterator[None]:
    remedy = "export it again"
    try:
        yield
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise ConfigError(f"the compressed file is damaged: {error}", file=file, remedy=remedy) from error
    except UnicodeDecodeError as error:
        raise ConfigError(f"this is no text in UTF-8: {error.reason}", file=file, remedy=remedy) from error
    except OSError as error:
        raise ConfigError(f"cannot be read: {describe_os_error(error)}", file=file) from error
