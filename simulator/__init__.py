"""Room 1, equipment: machines that are physics only, and the server that speaks Modbus for them."""
