"""`qilu demo`: machines, gateway, broker, ingester and store of a whole plant in one process."""

from qilu_cli.commands.demo.run import demo

__all__ = ["demo"]
