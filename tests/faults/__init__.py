"""The Modbus faults, row by row: what the simulator does to the wire, and what the gateway makes of it."""
