"""The codec between registers and values: `block` is its interface, `part_codecs` read and write."""

from qilu.contract.registers.block import BlockCodec, Decoded, compile_block, encode

__all__ = ["BlockCodec", "Decoded", "compile_block", "encode"]
