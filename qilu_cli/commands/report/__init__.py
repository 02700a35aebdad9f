"""`qilu report`: reports for people."""
