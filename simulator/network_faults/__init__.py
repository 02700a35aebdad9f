"""Faults of the wire: what devices and lines do to Modbus, as named faults with parameters and times."""
