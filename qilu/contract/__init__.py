"""The language that the rooms share, pure: readings, profiles, codecs, messages, topics, errors."""
