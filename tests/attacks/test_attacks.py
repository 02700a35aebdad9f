"""One edge attacks with all that its password allows: two honest edges deliver, and nothing is missing."""

from __future__ import annotations

from pathlib import Path

from tests.attacks.stage import attacked


async def test_honest_edges_deliver_while_another_one_attacks(tmp_path: Path) -> None:
    """The short form of `make attacks`, with every attack at once."""
    outcome = await attacked(tmp_path, seconds=8, settle_s=60)
    assert min(outcome.attacks.values()) > 0, outcome
    assert outcome.readings > 0
    assert outcome.in_time >= 0.9, outcome
    assert (outcome.audit_code, outcome.missing, outcome.unexplained) == (0, 0, 0), outcome
    assert outcome.attacker_named_after_s is not None
