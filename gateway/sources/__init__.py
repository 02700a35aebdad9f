"""The sources of a gateway: each talks to equipment in one protocol and yields polls."""
