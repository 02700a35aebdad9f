"""From an unknown machine to its device profile; no terminal, no settings of a running gateway."""
