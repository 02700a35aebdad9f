"""What is asked: the cheapest requests for a poll group, and what devices teach about themselves."""
