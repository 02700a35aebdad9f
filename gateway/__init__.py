"""The edge gateway: collects from machines, keeps on disk, delivers to the broker."""
