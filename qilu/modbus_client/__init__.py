"""How one endpoint is talked to: a connection that is kept, and replies matched to their requests."""
