"""Unit ids with a meaning of their own."""

BROADCAST = 0
"""Every device of a serial line; none replies."""
SERVER_UNIT_ID = 255
"""Of Modbus TCP: the device at the address itself, which needs no unit id."""
