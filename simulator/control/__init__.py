"""Control of a running plant over HTTP: its state, its faults and its time."""
