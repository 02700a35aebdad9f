"""The spool: every record from the moment it was polled until it is durable in the store."""
