"""Playback: machines whose points show what a file recorded."""
