"""The door to browsers and HTTP clients: one server with access rules, limits, files and live topics."""
