"""Modbus RTU framing: unit id, PDU and CRC, with nothing that marks where a frame begins or how long it is.

On a serial line a silence of 3.5 characters ends a frame; through TCP, USB and drivers that silence is lost.
So a frame is found by the length that its function implies and by its CRC, wherever it stands among noise and
the frames of others. Noise is dropped, never an error: the next frame is found behind it.
Source: MODBUS over Serial Line Specification and Implementation Guide V1.02, section 2.5.1.
"""

from __future__ import annotations

from collections.abc import Set as AbstractSet

from qilu.modbus.crc import crc16, crc_bytes
from qilu.modbus.framing import Frame
from qilu.modbus.functions import MEI_IDENTITY, READ_LIMITS, Function
from qilu.modbus.pdu import EXCEPTION, data_size

MIN_FRAME, MAX_FRAME = 4, 256
NO_FRAME = 0
UNKNOWN = MAX_FRAME + 1  # the bytes with the length are still to come

_REQUEST_SIZES = {1: 8, 2: 8, 3: 8, 4: 8, 5: 8, 6: 8, 8: 8, 17: 4, 22: 10}
_RESPONSE_SIZES = {5: 8, 6: 8, 8: 8, 15: 8, 16: 8, 22: 10}
_COUNTED_REQUESTS = {15: 6, 16: 6, 23: 10}  # where, after the unit id, their byte count stands
_COUNTED_RESPONSES = frozenset((*READ_LIMITS, Function.READ_WRITE_REGISTERS.value))
_IDENTITY = Function.READ_IDENTITY.value
_DIAGNOSTICS = Function.DIAGNOSTICS.value
_IDENTITY_REQUEST_SIZE, _EXCEPTION_SIZE = 7, 5


def rtu_frame(transaction: int, unit: int, pdu: bytes) -> bytes:  # noqa: ARG001 - all framings are called alike
    """The bytes of one frame; a transaction id has no place in it."""
    content = bytes((unit,)) + pdu
    return content + crc_bytes(content)


class _RtuFramer:
    """The search. The two sides differ in what may begin at a place and how long it then is."""

    __slots__ = ("_at", "_buffer")

    def __init__(self) -> None:
        self._buffer = b""
        self._at = 0  # everything before it is done with

    encode = staticmethod(rtu_frame)

    @property
    def buffered(self) -> int:
        return len(self._buffer) - self._at

    def reset(self) -> None:
        self._buffer, self._at = b"", 0

    def feed(self, data: bytes) -> None:
        self._buffer = self._buffer[self._at :] + data
        self._at = 0

    def next_frame(self) -> Frame | None:
        """The first complete frame. Noise before it is dropped, what may still become a frame is kept."""
        buffer, length = self._buffer, len(self._buffer)
        kept = length
        for start in range(self._at, length):
            end = start + self._size(start)
            if end == start:
                continue
            if end > length:
                kept = min(kept, start)
                if self._is_unambiguous(start):
                    break
            elif crc16(buffer[start:end]) == 0:
                self._at = end
                return Frame(0, buffer[start], buffer[start + 1 : end - 2])
        self._buffer, self._at = buffer[kept:], 0
        return None

    def _size(self, start: int) -> int:
        """The length of the frame that begins here: NO_FRAME, UNKNOWN, or MIN_FRAME to MAX_FRAME bytes."""
        raise NotImplementedError

    def _is_unambiguous(self, start: int) -> bool:
        """Whether this unfinished frame is so surely one that no other is looked for inside of it."""
        raise NotImplementedError


class RtuServerFramer(_RtuFramer):
    """Finds requests.

    The length of a function that we do not know is not known either: such a request is recognised, so that it
    can be refused, when it is all that was received and its CRC fits.
    """

    __slots__ = ()

    def _size(self, start: int) -> int:
        buffer = self._buffer
        left = len(buffer) - start
        if left < 2:
            return UNKNOWN
        function = buffer[start + 1]
        if function in _REQUEST_SIZES:
            return _REQUEST_SIZES[function]
        if function in _COUNTED_REQUESTS:
            return _counted(buffer, start, _COUNTED_REQUESTS[function])
        if function == _IDENTITY and (left < 3 or buffer[start + 2] == MEI_IDENTITY):
            return _IDENTITY_REQUEST_SIZE
        if start != self._at or function >= EXCEPTION or left > MAX_FRAME:
            return NO_FRAME
        return left if left >= MIN_FRAME and crc16(buffer[start:]) == 0 else UNKNOWN

    def _is_unambiguous(self, start: int) -> bool:
        """A write whose count of items agrees with its count of bytes."""
        head = self._buffer[start : start + 11]
        place = _COUNTED_REQUESTS.get(head[1]) if len(head) > 1 else None
        if place is None or place >= len(head):
            return False
        items = head[place - 2] << 8 | head[place - 1]
        return head[place] == ((items + 7) // 8 if head[1] == Function.WRITE_COILS else 2 * items)


class RtuClientFramer(_RtuFramer):
    """Finds the response to the request that was sent last; all else on the line is noise."""

    __slots__ = ("_also", "_data_size", "_echoes", "_function", "_request", "_unit")

    def __init__(self, also: AbstractSet[int] = frozenset(), *, echoes: bool = False) -> None:
        """`also`: unit ids that a response may carry in place of the one that was asked. `echoes`: whether
        responses to function 8 are found at any time."""
        super().__init__()
        self._also = also
        self._echoes = echoes
        self._unit = self._function = -1
        self._data_size: int | None = None
        self._request = b""

    def expect(self, unit: int, request: bytes) -> None:
        """Look for this unit's response to this request PDU from now on; before that nothing is a frame.

        The request itself is found as well: an adapter may return it before the response (local echo).
        """
        self._unit, self._function = unit, request[0]
        self._request = rtu_frame(0, unit, request)
        self._data_size = data_size(request)

    def _size(self, start: int) -> int:
        buffer = self._buffer
        if buffer[start] != self._unit and (self._unit < 0 or buffer[start] not in self._also):
            return NO_FRAME
        if self._request.startswith(buffer[start : start + len(self._request)]):
            return len(self._request)
        if start + 1 == len(buffer):
            return UNKNOWN
        function = buffer[start + 1]
        kind = function & ~EXCEPTION
        if kind != self._function and not (self._echoes and kind == _DIAGNOSTICS):
            return NO_FRAME
        if function >= EXCEPTION:
            return _EXCEPTION_SIZE
        if function in _COUNTED_RESPONSES:
            return _counted(buffer, start, 2)
        if function == _IDENTITY:
            return _identity_size(buffer, start)
        return _RESPONSE_SIZES.get(function, NO_FRAME)

    def _is_unambiguous(self, start: int) -> bool:
        """A response that announces just the bytes that were asked for."""
        return self._data_size is not None and self._buffer[start + 2 : start + 3] == bytes(
            (self._data_size,)
        )


def _counted(buffer: bytes, start: int, place: int) -> int:
    """The size of a frame that ends with as many bytes as the byte at `place` counts, and its CRC."""
    if start + place >= len(buffer):
        return UNKNOWN
    size = place + 1 + buffer[start + place] + 2
    return size if size <= MAX_FRAME else NO_FRAME


def _identity_size(buffer: bytes, start: int) -> int:
    """The size of a response of function 43/14, found by walking over its objects."""
    if len(buffer) < start + 8:
        return UNKNOWN
    end = start + 8
    for _ in range(buffer[start + 7]):
        if end + 1 >= len(buffer):
            return UNKNOWN if end - start < MAX_FRAME else NO_FRAME
        end += 2 + buffer[end + 1]
    size = end + 2 - start
    return size if size <= MAX_FRAME else NO_FRAME
