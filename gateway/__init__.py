"""Room 2, edge: collects from machines, keeps on disk, delivers to the broker."""
