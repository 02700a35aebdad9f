"""`qilu spool`: what a gateway keeps on disk, and what may be done about it."""
