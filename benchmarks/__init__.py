"""What one unit of work costs: commands that anyone can run, behind every number in the docs."""
