"""What the edge reports of its own collection, so that no value is missing without an explanation."""
