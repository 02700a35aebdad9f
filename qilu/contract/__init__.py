"""The language that the applications share, pure: readings, profiles, codecs, messages, topics, errors."""
