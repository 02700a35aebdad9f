"""All attacks of one edge at once on the delivered broker, and what they cost two honest edges."""
