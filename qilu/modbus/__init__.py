"""The bytes of Modbus, pure: requests, replies and framings."""
