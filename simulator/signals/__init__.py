"""Signals: how the points of a machine move that has a device profile and no physics of its own."""
