"""The Modbus server: ports, serial lines, requests; it knows devices, and no plant."""
