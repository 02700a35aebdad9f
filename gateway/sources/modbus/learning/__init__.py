"""What a device refuses or ignores, how it is found, and where it is kept."""
