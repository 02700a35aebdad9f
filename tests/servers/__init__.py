"""Real servers for tests: each on a free port of this machine, in a folder of its test, ended by its test.

    from tests.servers import Mosquitto

    def test_...(tmp_path: Path) -> None:
        with Mosquitto(tmp_path) as broker:     # or the fixture `mosquitto`
            broker.kill()                       # kill -9
            broker.start()                      # same port, same files

A server that this machine lacks makes the test skip, or fail with CI=true; the run's summary names it.
"""

from tests.servers.authority import Authority, Tls
from tests.servers.influxdb1 import Influxdb1
from tests.servers.libmodbus import LibmodbusServer
from tests.servers.mosquitto import Mosquitto
from tests.servers.process import Server, free_port
from tests.servers.programs import find, find_library, missing_servers, require
from tests.servers.victoria_metrics import VictoriaMetrics

__all__ = [
    "Authority",
    "Influxdb1",
    "LibmodbusServer",
    "Mosquitto",
    "Server",
    "Tls",
    "VictoriaMetrics",
    "find",
    "find_library",
    "free_port",
    "missing_servers",
    "require",
]
