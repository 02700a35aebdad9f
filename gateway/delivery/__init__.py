"""What is sent when, and what an acknowledgement releases: outbox, deferral, message size, latency."""
