"""A script is the same for the same seed, has everything in it, and ends before it is over."""

from collections import Counter
from itertools import pairwise

from tests.campaign.script import QUIET, Stage, write_script, write_sharing_script

STAGE = Stage(
    ["broker", "gateway", "store"],
    ["ingester-1", "ingester-2"],
    {"link": 0.8},
    ["line-1", "line-2", "line-3"],
    0.3,
    disk=True,
    clock=True,
    ghosts=True,
)


def test_the_same_seed_is_the_same_script_and_another_seed_is_another() -> None:
    assert write_script(1, 180, STAGE) == write_script(1, 180, STAGE)
    assert write_script(1, 180, STAGE) != write_script(2, 180, STAGE)
    assert write_script(1, 60, STAGE)[0] == write_script(1, 180, STAGE)[0]


def test_everything_goes_wrong_in_three_minutes_and_is_mended_before_the_end() -> None:
    for seed in range(20):
        script = write_script(seed, 180, STAGE)
        happened = Counter((act.what, act.target.split("-")[0]) for act in script)
        assert {what for what, _ in happened} == {
            "kill", "cut", "silence", "slow", "reset", "fill", "step", "join",
        }  # fmt: skip
        for program in ("broker", "gateway", "store", "ingester"):
            assert happened["kill", program] > 1
        assert all(act.at > QUIET and act.at + act.lasts <= 180 - QUIET for act in script)
        assert len(script) > 60


def test_nothing_happens_to_what_is_still_in_trouble() -> None:
    for seed in range(20):
        until: dict[str, float] = {}
        for act in write_script(seed, 180, STAGE):
            assert until.get(act.target, 0) < act.at
            until[act.target] = act.at + act.lasts


def test_what_a_stage_lacks_does_not_go_wrong() -> None:
    bare = Stage(["broker"], ["ingester-1"], {}, ["line-1"], 0.3, disk=False, clock=False, ghosts=False)
    assert {act.what for act in write_script(3, 180, bare)} == {"kill", "cut", "silence", "reset", "slow"}


def test_while_a_ghost_shares_ingesters_die_in_turn_and_never_one_that_is_not_there() -> None:
    three = ["ingester-1", "ingester-2", "ingester-3"]
    late, ghost, *kills = write_sharing_script(1, 60, three)
    assert (late.target, late.lasts, ghost.what) == ("ingester-3", 30, "join")
    assert ghost.at + ghost.lasts >= kills[-1].at
    assert {kill.target for kill in kills} == set(three)
    assert all(kill.at > late.lasts for kill in kills if kill.target == "ingester-3")
    assert all(later.at >= kill.at + kill.lasts for kill, later in pairwise(kills))
