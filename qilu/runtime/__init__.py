"""How a process of ours lives: settings files, logging, signals, backoff, timebase."""
