"""`display_units:` of the console shows a unit in another one, in both languages; all others stay."""

from gateway.settings import ConsoleSettings
from qilu.web.vocabulary import vocabulary


def test_a_unit_of_the_settings_takes_the_place_of_that_of_the_language() -> None:
    console = ConsoleSettings.model_validate({"display_units": {"bar": {"unit": "kPa", "factor": 100}}})
    units = vocabulary(["bar", "1/min", "°C"], console.units())["units"]
    assert units["bar"]["zh"] == units["bar"]["en"] == {"unit": "kPa", "factor": 100.0, "offset": 0.0}
    assert units["1/min"]["zh"]["unit"] == "次/min"
    assert "°C" not in units
    plain = vocabulary(["bar"], ConsoleSettings().units())["units"]
    assert plain["bar"]["zh"]["unit"] == "MPa"
