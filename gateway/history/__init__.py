"""Readings that stay on this machine: a consumer behind the spool that may lose what the spool may not."""
