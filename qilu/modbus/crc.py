"""The checksum of Modbus RTU: CRC-16, polynomial 0x8005 reflected (0xA001), start 0xFFFF, low byte first."""

from __future__ import annotations


def _table_entry(byte: int) -> int:
    for _ in range(8):
        byte = byte >> 1 ^ 0xA001 if byte & 1 else byte >> 1
    return byte


_TABLE = tuple(_table_entry(byte) for byte in range(256))


def crc16(data: bytes) -> int:
    """0 for a frame that ends with its right checksum."""
    crc = 0xFFFF
    table = _TABLE
    for byte in data:
        crc = crc >> 8 ^ table[(crc ^ byte) & 0xFF]
    return crc


def crc_bytes(data: bytes) -> bytes:
    """The two bytes that end a frame with this content."""
    return crc16(data).to_bytes(2, "little")
