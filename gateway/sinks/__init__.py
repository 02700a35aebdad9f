"""Where a gateway sends its records."""
