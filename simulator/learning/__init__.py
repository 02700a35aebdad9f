"""Data sets for learning: fleets of machines with random faults, what clients read, and the labels."""
