"""A factory of simulated machines that speaks Modbus."""
