"""No bytes on the topics of a gateway, or on the control port of a simulator, end them or make them grow."""

from __future__ import annotations

from pathlib import Path

from tests.fuzz.gateway import MAX_GROWTH_KB, fuzzed_control, fuzzed_gateway, resident_kb

MUTANTS = 500


async def test_mutants_on_its_topics_cost_a_gateway_nothing(tmp_path: Path) -> None:
    async with fuzzed_gateway(tmp_path, seed=20261201) as fuzz:
        await fuzz.send(MUTANTS)
        before = resident_kb(fuzz.gateway)
        await fuzz.send(MUTANTS)
        assert resident_kb(fuzz.gateway) - before < MAX_GROWTH_KB
        output = fuzz.gateway.output()
        assert "Traceback" not in output
        assert "ended by a bug" not in output


def test_mutants_on_its_control_port_cost_a_simulator_nothing(tmp_path: Path) -> None:
    with fuzzed_control(tmp_path, seed=20261201) as fuzz:
        assert fuzz.answers()
        fuzz.send(MUTANTS // 5)
        before = resident_kb(fuzz.simulator)
        fuzz.send(MUTANTS // 5)
        assert resident_kb(fuzz.simulator) - before < MAX_GROWTH_KB
        assert fuzz.answers()
        assert "Traceback" not in fuzz.simulator.output()
