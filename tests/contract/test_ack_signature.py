"""Only who has the key of a store and an edge can sign an acknowledgement; no byte of it can change."""

from __future__ import annotations

import json

from hypothesis import example, given
from hypothesis import strategies as st

from qilu.contract.ack_signature import derive_key, is_signed, sign, verify
from qilu.contract.messages import Ack, decode_ack, encode_ack
from qilu.contract.ranges import IntervalSet

MASTER = "master of the store"
KEY = derive_key(MASTER, "plant-store", "edge-1")
ACK = Ack("plant-store", "i", 7, durable=IntervalSet([(0, 9)]), epoch=3)
SIGNED = sign(encode_ack(ACK), KEY, "edge-1")


def test_a_signed_acknowledgement_is_the_same_one_with_a_field_more() -> None:
    assert verify(SIGNED, [KEY], "edge-1")
    assert decode_ack(SIGNED) == ACK  # also where nobody checks it
    assert {**json.loads(SIGNED), "mac": None} == {**json.loads(encode_ack(ACK)), "mac": None}
    assert (is_signed(SIGNED), is_signed(encode_ack(ACK))) == (True, False)


def test_a_signature_stays_what_it_is() -> None:
    """Gateways and ingesters of two versions have to agree."""
    assert KEY == "0dd7639dd19f0472ff1e0b68776d56d0f9154736d3338c352646c32eb06b7ac2"
    assert json.loads(SIGNED)["mac"] == "9f36197f04992b97be0b5c7a90b2988b1ef7f44cf0b91492ce65951e51fac837"


def test_an_acknowledgement_without_an_epoch_is_as_it_was_before_there_were_epochs() -> None:
    plain = encode_ack(Ack("s", "i", 7, durable=IntervalSet([(0, 9)])))
    assert plain == b'{"qilu":1,"store":"s","ingester":"i","stream":"0000000000000007","durable":"0-9"}'


def test_keys_of_other_edges_and_stores_do_not_fit() -> None:
    others = [
        derive_key(MASTER, "plant-store", "edge-2"),
        derive_key(MASTER, "other-store", "edge-1"),
        derive_key("another master", "plant-store", "edge-1"),
        MASTER,
        "",
    ]
    assert not verify(SIGNED, others, "edge-1")
    assert not verify(SIGNED, [KEY], "edge-2")
    assert not verify(encode_ack(ACK), [KEY], "edge-1")
    assert verify(SIGNED, [*others, KEY], "edge-1")  # during a rotation there are two


@given(place=st.integers(0, len(SIGNED) - 1), byte=st.integers(0, 255))
@example(place=len(SIGNED) - 2, byte=0)
@example(place=len(SIGNED) - 1, byte=0)
def test_no_byte_can_be_changed(place: int, byte: int) -> None:
    changed = SIGNED[:place] + bytes([byte]) + SIGNED[place + 1 :]
    assert verify(changed, [KEY], "edge-1") == (changed == SIGNED)


@given(garbage=st.binary(max_size=200))
def test_garbage_is_not_authentic(garbage: bytes) -> None:
    assert not verify(garbage, [KEY], "edge-1")
    assert verify(garbage + SIGNED, [KEY], "edge-1") == (garbage == b"")
