"""Stores that take line protocol over HTTP: InfluxDB 1, 2 and 3, VictoriaMetrics."""
