"""A local history: files of a day that one process writes, with roll-ups, and their reader."""
