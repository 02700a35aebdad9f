"""What looks like a wrong setting is named once, with the setting."""

from gateway.sources.modbus.hints import LATE_REPLIES, POLLS_OUT_OF_LIMITS, SettingHints
from qilu.config.settings_file import load_text
from qilu.contract.profile import DeviceProfile
from qilu.contract.reading import BlockSchema, Origin, Reading, Reason

PROFILE = load_text(
    """
profile: meter
points:
  - {name: voltage, table: input, address: 0, type: uint16, limits: {min: 100, max: 300}}
  - {name: state, table: input, address: 1, type: uint16}
""",
    DeviceProfile,
)
COLUMNS = BlockSchema(Origin("edge-1", "meter-1", "meter"), "default", ("voltage", "state"))
OUTSIDE = Reading(COLUMNS, 0, (None, 7), {0: Reason.OUT_OF_LIMITS})
INSIDE = Reading(COLUMNS, 0, (230, 7))


def test_a_unit_that_replies_after_its_timeout_is_named_once_with_the_timeout_to_set() -> None:
    hints = SettingHints(PROFILE)
    given = [hints.late_reply(1.4, 1.0) for _ in range(3 * LATE_REPLIES)]
    assert [index for index, hint in enumerate(given) if hint] == [LATE_REPLIES - 1]
    assert given[LATE_REPLIES - 1] == (
        "replies after 1.4 s, later than its timeout of 1 s: set `timeout` of this source to 3s or more"
    )


def test_a_device_whose_values_are_all_out_of_limits_is_named_once_with_its_profile() -> None:
    hints = SettingHints(PROFILE)
    given = [hints.polled([OUTSIDE]) for _ in range(3 * POLLS_OUT_OF_LIMITS)]
    (hint,) = [hint for hint in given if hint]
    assert given[POLLS_OUT_OF_LIMITS - 1] == hint
    assert "`word_order`" in hint
    assert "profile meter" in hint


def test_one_value_inside_its_limits_starts_the_count_again() -> None:
    hints = SettingHints(PROFILE)
    for _ in range(5):
        assert not any(hints.polled([OUTSIDE]) for _ in range(POLLS_OUT_OF_LIMITS - 1))
        assert hints.polled([INSIDE]) is None
