"""`qilu import`: fills a store from a data set or from what `qilu query` printed."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from random import SystemRandom

from cloud.data_sets.data_set import DataSet, Place
from cloud.data_sets.loader import Copies, load
from cloud.data_sets.plant_export_reader import PlantExport
from cloud.data_sets.query_csv import QueryResult
from qilu.config.profiles import known_profiles, profiles
from qilu.contract.errors import ConfigError, DataError
from qilu.stores.factory import open_store
from qilu_cli.progress import progress
from qilu_cli.store_access import duration, store_settings
from qilu_cli.time_zones import iso_time, parse_iso_time

DEFAULT_EDGE = "import"


@dataclass(frozen=True, slots=True)
class ImportOptions:
    """The options of `qilu import`, as they were given."""

    source: Path
    store: str
    edge: str | None = None
    enterprise: str = ""
    site: str = ""
    profile: str | None = None
    profiles: Path | None = None
    shift: str | None = None
    to: str | None = None
    repeat: int = 1


async def import_data(options: ImportOptions, wall: Callable[[], float] = time.time) -> None:
    """Write the data set; ConfigError where it or an option is wrong, DataError where values were refused."""
    if options.shift is not None and options.to is not None:
        raise ConfigError("both move the times", key="--shift, --to", remedy="leave out one of them")
    data = _data_set(options)
    length_ms = data.extent.length_ms
    copies = Copies(_shift_ms(options, data.extent.end_ms, length_ms, wall), options.repeat)
    first_ms = data.extent.first_ms + copies.shift_ms
    async with open_store(store_settings(options.store)) as store:
        with progress("importing", data.polls_expected) as show:
            loaded = await load(data, store, copies, random=SystemRandom(), show=show)
    span = f"{iso_time(first_ms)} to {iso_time(first_ms + length_ms * options.repeat)}"
    print(
        f"{loaded.values} values in {loaded.polls} polls, {span}: {options.store}"
        f" (repeat it with --shift {copies.shift_ms / 1000:g})"
    )
    if loaded.refused:
        raise DataError(
            f"the store refused {loaded.refused} of {loaded.polls} polls:\n  " + "\n  ".join(loaded.refusals)
        )


def _data_set(options: ImportOptions) -> DataSet:
    place = Place(options.edge or DEFAULT_EDGE, options.enterprise, options.site)
    if options.edge == "":
        raise ConfigError("is empty", key="--edge", remedy="write a name, or leave the option out")
    if options.source.is_dir():
        if options.profile:
            remedy = "leave it out: the data set names its profiles"
            raise ConfigError("is for a file of `qilu query`", key="--profile", remedy=remedy)
        return PlantExport(options.source, place)
    if not options.source.is_file():
        remedy = "name the folder of a data set, or a CSV file of `qilu query --format csv`"
        raise ConfigError("there is no such file or folder", file=options.source, remedy=remedy)
    if not options.profile:
        remedy = "name the profile of the devices, as `qilu query --devices` prints it"
        raise ConfigError("a file of `qilu query` names no profile", key="--profile", remedy=remedy)
    known = options.profile in known_profiles(options.profiles)
    definition = profiles([options.profile], options.profiles)[options.profile] if known else None
    keep_edge = options.edge is None
    return QueryResult(options.source, place, options.profile, definition, keep_edge=keep_edge)


def _shift_ms(options: ImportOptions, end_ms: int, length_ms: int, wall: Callable[[], float]) -> int:
    if options.to is not None:
        to_ms = round(wall() * 1000) if options.to == "now" else parse_iso_time("--to", options.to)
        return to_ms - end_ms - (options.repeat - 1) * length_ms
    if options.shift is None:
        return 0
    text = options.shift.strip()
    sign = -1 if text.startswith("-") else 1
    text = text.lstrip("+-")
    return 0 if re.fullmatch(r"0[a-z]*", text) else sign * round(duration("--shift", text) * 1000)
