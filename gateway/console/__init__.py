"""The console of a gateway: views, live topics and an API; nothing in a gateway imports it."""
