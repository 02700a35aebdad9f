"""`qilu demo`: machines, gateway, broker, ingester and store of a whole plant in one process."""

from qilu_cli.commands.demo.run import DemoOptions, demo

__all__ = ["DemoOptions", "demo"]
