"""Commands about the web pages of a gateway, an ingester or a plant."""
