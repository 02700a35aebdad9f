"""Room 1: a factory of simulated machines that speaks Modbus."""
