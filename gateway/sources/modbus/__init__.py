"""Modbus, over TCP and on serial lines: `source` polls one endpoint, `turn` reads one group of one device."""
