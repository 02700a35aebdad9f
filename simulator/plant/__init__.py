"""The plant: its settings, its one clock, what machines share and hand on, what happens in it."""
