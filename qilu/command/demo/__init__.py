"""`qilu demo`: machines, gateway, broker, ingester and store of a whole plant in one process."""

from qilu.command.demo.whole import demo

__all__ = ["demo"]
