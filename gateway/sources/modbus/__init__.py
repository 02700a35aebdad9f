"""Modbus, over TCP and on serial lines: `source` polls one endpoint, `poll_cycle` reads one group."""
