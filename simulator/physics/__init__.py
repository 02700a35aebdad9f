"""What machines are built of: states, cycles, lags, noise; arrays over all machines of a model, no clock."""
