"""What the edge says of its own collecting, so that no value is ever missing without an explanation."""
