"""What a user types: each command with its options and help. What it needs is imported when it runs."""
