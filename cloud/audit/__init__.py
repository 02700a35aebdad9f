"""The audit: what should be in a store, what is, and why the rest is not."""
