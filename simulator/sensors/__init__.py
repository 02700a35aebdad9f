"""Between the physics and the registers: what the sensor of each point makes of the true value."""
