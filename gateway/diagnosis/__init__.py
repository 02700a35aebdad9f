"""The state of a gateway for people: a read-only view of its parts, and the sentence about it."""
