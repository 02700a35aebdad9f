"""What is requested: the cheapest requests for a poll group."""
