"""The store or the reader that settings name; only the library that it needs is imported."""

from __future__ import annotations

from qilu.stores.interfaces import PointInfoReader, Store
from qilu.stores.settings import InfluxSettings, SqliteSettings


def open_store(settings: SqliteSettings | InfluxSettings) -> Store:
    """The store to write into; entering it opens it."""
    if isinstance(settings, SqliteSettings):
        from qilu.stores.sqlite.writer import SqliteStore

        return SqliteStore(
            settings.file,
            name=settings.name,
            group=settings.group,
            retention=settings.retention,
            rollups=settings.rollup_retention,
        )
    from qilu.stores.influx.writer import InfluxStore

    return InfluxStore(settings)


def open_reader(settings: SqliteSettings | InfluxSettings) -> PointInfoReader:
    """The reader to ask; entering it opens it."""
    if isinstance(settings, SqliteSettings):
        from qilu.stores.sqlite.reader import SqliteReader

        return SqliteReader(settings.file)
    if settings.server == "victoriametrics":
        from qilu.stores.influx.metrics_reader import VictoriaMetricsReader

        return VictoriaMetricsReader(settings)
    from qilu.stores.influx.influxql_reader import InfluxqlReader

    return InfluxqlReader(settings)
