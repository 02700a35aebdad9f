"""The codec between registers and values: `block` is its face, `plan` compiles, `parts` do the work."""

from qilu.contract.registers.block import BlockCodec, Decoded, compile_block, encode

__all__ = ["BlockCodec", "Decoded", "compile_block", "encode"]
