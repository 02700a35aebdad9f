"""The table of the codes of acknowledgements, in the code and in the manual."""

from pathlib import Path

from qilu.contract.ack_codes import AckCode, Family, Refusal

MANUAL = Path(__file__).parents[2] / "docs" / "delivery.md"


def test_the_manual_has_each_code_with_its_family_meaning_and_remedy() -> None:
    lines = MANUAL.read_text(encoding="utf-8").splitlines()
    for code in AckCode:
        assert f"| `{code.value}` | {code.family.value} | {code.summary} | {code.remedy} |" in lines


def test_only_verdicts_on_the_data_reject() -> None:
    assert {code for code in AckCode if code.family is Family.REJECTED} == {
        AckCode.MALFORMED, AckCode.BAD_VALUE, AckCode.BAD_NAME, AckCode.BAD_TIME, AckCode.FIELD_CONFLICT,
    }  # fmt: skip


def test_a_code_that_is_not_known_is_deferred() -> None:
    assert AckCode("a word of 2031").family is Family.DEFERRED
    refusal = Refusal.parse("a word of 2031: and its text")
    assert refusal == Refusal(AckCode.UNKNOWN, "a word of 2031: and its text")


def test_a_refusal_survives_its_line() -> None:
    for code in AckCode:
        for one in (Refusal(code, "a: b"), Refusal(code, ""), Refusal(code, "x", 12)):
            if code is not AckCode.UNKNOWN:
                assert Refusal.parse(str(one)) == one
