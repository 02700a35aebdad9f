"""What truly happened, written down: the log of a run, and data sets without sockets."""
