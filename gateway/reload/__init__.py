"""New settings for a gateway that runs: compared with the old ones, checked, and taken between two polls."""
