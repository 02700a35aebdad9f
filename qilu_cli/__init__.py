"""The qilu command and the whole plant in one process: the only part that may import every application."""
