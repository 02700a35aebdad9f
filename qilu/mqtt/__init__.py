"""The one door to MQTT: client and embedded broker."""
