"""The doors to the stores: SQLite, InfluxDB and VictoriaMetrics."""
