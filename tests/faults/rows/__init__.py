"""Every case of the 34 rows, in families."""
