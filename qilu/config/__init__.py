"""Settings files: read, checked, and explained by file, line, key and remedy."""
