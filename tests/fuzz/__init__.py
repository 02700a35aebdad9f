"""Real messages with extreme numbers, times and names, and what must hold whatever they are."""
