"""Under the delivered unit a gateway knows its boot and its time without hidden files and blocked calls."""

import platform
import shutil
import subprocess
import sys
from pathlib import Path
from uuid import UUID

import pytest

from tests.deploy.deployed import DEPLOY

UNIT = (DEPLOY / "systemd" / "qilu-gateway.service").read_text().splitlines()
BOOT = "0f0e0d0c0b0a09080706050403020100"

PROGRAM = """
import ctypes, struct, sys
from pathlib import Path

if sys.argv[2] == "x86_64":  # ProtectClock=yes: these calls are refused, also where they only read
    calls = (159, 164, 227, 305)  # adjtimex, settimeofday, clock_settime, clock_adjtime
    code = [struct.pack("HBBI", 0x20, 0, 0, 0)]
    code += [struct.pack("HBBI", 0x15, len(calls) - place, 0, call) for place, call in enumerate(calls)]
    code += [struct.pack("HBBI", 0x06, 0, 0, 0x7FFF0000), struct.pack("HBBI", 0x06, 0, 0, 0x00050001)]
    text = ctypes.create_string_buffer(b"".join(code))
    class Filter(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("code", ctypes.c_void_p)]
    libc = ctypes.CDLL(None, use_errno=True)
    libc.prctl(38, 1, 0, 0, 0)
    assert libc.prctl(22, 2, ctypes.byref(Filter(len(code), ctypes.addressof(text))), 0, 0) == 0
    assert libc.adjtimex(ctypes.create_string_buffer(512)) == -1

from gateway.clock import Clock
from qilu.runtime.boot import boot_id

assert not Path("/proc/sys").exists()
clock = Clock(Path(sys.argv[1]) / "clock", boot=boot_id())
clock.check()
print(boot_id().hex, clock.trust.value)

# A clock that is set wrong and stays so, beside the time service of the system.
from gateway.timekeeping import time_synchronisation

marker = Path("/run/systemd/timesync/synchronized")
assert time_synchronisation.kernel_synchronised() is None or sys.argv[2] != "x86_64"
assert time_synchronisation.TimeService()() is None
marker.parent.mkdir(parents=True)
marker.touch()
now, wrong_s = 0.0, 0.0
clock = Clock(
    Path(sys.argv[1]) / "other", boot=boot_id(), monotonic=lambda: now, wall=lambda: 1.8e9 + now + wrong_s
)

def trusts(seconds):
    global now
    met = []
    for _ in range(seconds):
        now += 1
        clock.check()
        if clock.trust.value not in met[-1:]:
            met.append(clock.trust.value)
    return met

print(*trusts(40))
wrong_s = 86_400.0
print(*trusts(700))
wrong_s = 0.0
__import__("os").utime(marker, (1, 1))  # the service has set it right, and touched the file
print(*trusts(40))
"""


def test_the_unit_gives_the_boot_id_that_it_hides() -> None:
    assert "ProcSubset=pid" in UNIT
    assert "Environment=QILU_BOOT_ID=%b" in UNIT
    assert "ProtectClock=yes" in UNIT


def test_the_time_and_the_boot_are_known_without_proc_and_without_calls_of_the_clock(tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    apart = [unshare or "", "--user", "--map-root-user", "--mount", "--pid", "--fork", "sh", "-c"]
    hidden = "mount -t proc -o subset=pid proc /proc && mount -t tmpfs tmpfs /run"
    if unshare is None or subprocess.run([*apart, hidden], capture_output=True, check=False).returncode:
        pytest.skip("namespaces are not allowed here")
    program = tmp_path / "program.py"
    program.write_text(PROGRAM)
    arguments = [sys.executable, str(program), str(tmp_path), platform.machine()]
    done = subprocess.run(
        [*apart, f'{hidden} && exec "$@"', "sh", *arguments],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(__file__).parents[2],
        env={"QILU_BOOT_ID": BOOT, "PYTHONPATH": str(Path(__file__).parents[2])},
    )
    assert done.returncode == 0, done.stderr
    first, *beside_a_service = done.stdout.splitlines()
    boot, trust = first.split()
    assert UUID(boot) == UUID(BOOT)
    assert trust == "known"
    assert beside_a_service == ["known", "held uncertain", "uncertain known"]
