"""The process of a LibmodbusServer: libmodbus through ctypes, so that no compiler is needed.

Started with one argument, the name of a JSON file:
{"library": path, "port": n, "size": n, "tables": {table: [[address, value], ...]}}.
Layout and signatures: modbus.h of libmodbus 3.1.
"""

import ctypes
import json
import select
import sys
from pathlib import Path

MAX_ADU = 260


class Mapping(ctypes.Structure):
    """modbus_mapping_t."""

    _fields_ = (
        ("nb_bits", ctypes.c_int),
        ("start_bits", ctypes.c_int),
        ("nb_input_bits", ctypes.c_int),
        ("start_input_bits", ctypes.c_int),
        ("nb_input_registers", ctypes.c_int),
        ("start_input_registers", ctypes.c_int),
        ("nb_registers", ctypes.c_int),
        ("start_registers", ctypes.c_int),
        ("coil", ctypes.POINTER(ctypes.c_uint8)),
        ("discrete", ctypes.POINTER(ctypes.c_uint8)),
        ("input", ctypes.POINTER(ctypes.c_uint16)),
        ("holding", ctypes.POINTER(ctypes.c_uint16)),
    )


def load(path: str) -> ctypes.CDLL:
    """The library with the signatures of what is used here."""
    library = ctypes.CDLL(path, use_errno=True)
    library.modbus_new_tcp.restype = ctypes.c_void_p
    library.modbus_new_tcp.argtypes = [ctypes.c_char_p, ctypes.c_int]
    library.modbus_mapping_new.restype = ctypes.POINTER(Mapping)
    library.modbus_mapping_new.argtypes = [ctypes.c_int] * 4
    library.modbus_tcp_listen.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.modbus_tcp_accept.argtypes = [ctypes.c_void_p, ctypes.POINTER(ctypes.c_int)]
    library.modbus_set_socket.argtypes = [ctypes.c_void_p, ctypes.c_int]
    library.modbus_receive.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
    library.modbus_reply.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_int, ctypes.POINTER(Mapping)]
    library.modbus_close.argtypes = [ctypes.c_void_p]
    return library


def serve(library: ctypes.CDLL, context: int, mapping: "ctypes._Pointer[Mapping]") -> None:
    """Answer every client until the process is ended."""
    listening = library.modbus_tcp_listen(context, 64)
    if listening < 0:
        sys.exit(f"cannot listen: errno {ctypes.get_errno()}")
    clients: set[int] = set()
    request = ctypes.create_string_buffer(MAX_ADU)
    while True:
        for ready in select.select([listening, *clients], [], [])[0]:
            if ready == listening:
                clients.add(library.modbus_tcp_accept(context, ctypes.byref(ctypes.c_int(listening))))
                continue
            library.modbus_set_socket(context, ready)
            length = library.modbus_receive(context, request)
            if length > 0:
                library.modbus_reply(context, request, length, mapping)
            elif length < 0:
                library.modbus_close(context)
                clients.discard(ready)


def main(settings_file: str) -> None:
    """Serve what the settings file says."""
    settings = json.loads(Path(settings_file).read_text())
    library = load(settings["library"])
    context = library.modbus_new_tcp(b"127.0.0.1", settings["port"])
    mapping = library.modbus_mapping_new(*[settings["size"]] * 4)
    for table, entries in settings["tables"].items():
        values = getattr(mapping.contents, table)
        for address, value in entries:
            values[address] = value
    serve(library, context, mapping)


if __name__ == "__main__":
    main(sys.argv[1])
