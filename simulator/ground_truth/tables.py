"""Tables on disk, column by column: compressed CSV, or Parquet where pyarrow is installed.

Both are read as they are: `pandas.read_csv("x.csv.gz")`, `pandas.read_parquet("x.parquet")`, and in DuckDB
`from 'x.csv.gz'`, `from 'x.parquet'`. Equal columns make equal bytes.
"""

from __future__ import annotations

import gzip
import importlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, BinaryIO, Literal, Protocol, TypeAlias

import numpy as np
from numpy.typing import NDArray

from qilu.contract.errors import ConfigError, describe_os_error
from qilu.runtime.private_files import make_folder, open_named

Form: TypeAlias = Literal["csv", "parquet"]
Columns: TypeAlias = Mapping[str, NDArray[Any]]
LEVEL = 1  # of gzip: five times as fast as its default, and a quarter larger


class TableFile(Protocol):
    """One table; every chunk has the same columns of the same kinds."""

    path: Path

    def write(self, columns: Columns) -> None:
        """More rows; numbers, or text as bytes. NaN and what a masked array masks are missing values."""

    def close(self) -> None: ...


def table_file(folder: Path, name: str, form: Form) -> TableFile:
    """A new file of that name in the folder. ConfigError: it is there already, or cannot be written."""
    path = folder / (f"{name}.csv.gz" if form == "csv" else f"{name}.parquet")
    try:
        make_folder(path.parent)
        file = open(path, "xb", opener=open_named)  # noqa: SIM115 - its owner closes it
    except FileExistsError:
        raise ConfigError(f"{path} is there already", remedy="name a new folder to export to") from None
    except OSError as error:
        problem = f"cannot write {path}: {describe_os_error(error)}"
        raise ConfigError(problem, remedy="name a folder that can be written") from error
    return CsvFile(path, file) if form == "csv" else ParquetFile(path, file)


class CsvFile:
    """Compressed with a time stamp of 0, so that equal rows make equal bytes."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._packed = gzip.GzipFile(filename="", mode="wb", compresslevel=LEVEL, fileobj=file, mtime=0)
        self._names: list[str] | None = None

    def write(self, columns: Columns) -> None:
        if self._names is None:
            self._names = list(columns)
            self._packed.write((",".join(self._names) + "\n").encode())
        texts = [_texts(column) for column in columns.values()]
        lines = [",".join(row) for row in zip(*texts, strict=True)]
        self._packed.write("\n".join([*lines, ""]).encode())

    def close(self) -> None:
        self._packed.close()
        self._file.close()


class ParquetFile:
    """A row group per chunk, compressed with zstd."""

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._file = file
        self._arrow = required_arrow()
        self._writer: Any = None

    def write(self, columns: Columns) -> None:
        arrow = self._arrow
        batch = {
            name: arrow.array(
                _plain(np.ma.getdata(column)), mask=np.ma.getmaskarray(column), from_pandas=True
            )
            for name, column in columns.items()
        }
        table = arrow.table(batch)
        if self._writer is None:
            parquet = importlib.import_module("pyarrow.parquet")
            self._writer = parquet.ParquetWriter(self._file, table.schema, compression="zstd")
        self._writer.write_table(table.cast(self._writer.schema))

    def close(self) -> None:
        if self._writer is not None:
            self._writer.close()
        self._file.close()


def required_arrow() -> Any:
    """The module pyarrow; ConfigError where it is not installed."""
    try:
        return importlib.import_module("pyarrow")
    except ImportError:
        remedy = "install it with `pip install 'qilu[parquet]'`, or export csv"
        raise ConfigError("Parquet is written by pyarrow, which is not installed", remedy=remedy) from None


def _plain(column: NDArray[Any]) -> Any:
    if column.dtype.kind == "S":
        return np.char.decode(column, "utf-8").astype(object)
    return column


def _texts(column: NDArray[Any]) -> list[str]:
    """The shortest text that reads back to the same number of the column's own type."""
    if isinstance(column, np.ma.MaskedArray):
        shown = zip(_texts(column.data), np.ma.getmaskarray(column).tolist(), strict=True)
        return ["" if missing else text for text, missing in shown]
    match column.dtype.kind:
        case "S":
            rows = column.tolist()
            shown_as = {text: _quoted(text.decode("utf-8", "replace")) for text in set(rows)}
            return [shown_as[text] for text in rows]
        case "f":
            return _of_floats(column)
    return list(map(str, column.tolist()))


def _of_floats(column: NDArray[Any]) -> list[str]:
    """Where many are equal, each number is put into text once."""
    distinct, places = np.unique(column.view(f"i{column.dtype.itemsize}"), return_inverse=True)
    if 3 * len(distinct) < 2 * len(column):
        texts = _of_floats(distinct.view(column.dtype))
        return [texts[place] for place in places.tolist()]
    numbers = column.astype(str).tolist() if column.dtype.itemsize < 8 else map(repr, column.tolist())
    return ["" if text == "nan" else text.removesuffix(".0") for text in numbers]


def _quoted(text: str) -> str:
    return f'"{text.replace(chr(34), 2 * chr(34))}"' if set(text) & set(',"\n\r') else text
