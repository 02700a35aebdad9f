"""Whether the time of this edge is known, and what becomes of records that were made while it was not."""
