"""`qilu probe`: shows what an unknown Modbus device has."""
