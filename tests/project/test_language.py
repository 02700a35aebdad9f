"""Names, settings keys, messages and help texts use the words of the glossary."""

from pathlib import PurePath

import pytest

from tests.project.language import (
    PACKAGES,
    Kind,
    accepted_participles,
    banned,
    bare_participles,
    is_bare_participle,
    terms,
    terms_of,
)

EXCEPTIONS = {
    "connection_made": "a method of asyncio.Protocol",
    "union_tag_not_found": "an error type of pydantic",
    "SESSION_TAKEN_OVER": "a reason code of MQTT 5",
    "one_based": "addresses that count from 1",
    "seal_temperature_back": "the rear seal of a packaging line",
    "off_by_one": "a common error in register lists",
}
"""Names and texts that have a banned word -> the reason; at most 20."""

PROGRAM = """
def told(found_at, *, retries=0):
    for one in retries:
        self.lastTurn = one
    text = f"{found_at} is gone for good"
    _log.warning(text)
    raise ConfigError("the device is silent", key="unit_told", remedy="tell it, in  vain")

@app.command()
def show(path: Annotated[Path, Option("--learnt-file", help="What it answers.")]):
    '''Print what it says.'''

class PollSettings(BaseModel):
    begin: int = 0
    '''Silence between polls.'''
"""


def test_banned_words_are_found_in_every_kind_of_name_and_text() -> None:
    violations = [
        v for term in terms_of(PROGRAM, PurePath("gateway/hush.py")) for v in banned().violations(term)
    ]
    assert sorted((violation.term.kind, violation.word) for violation in violations) == [
        ("file", "hush"),
        ("key", "learnt"),
        ("key", "told"),
        ("name", "begin"),
        ("name", "found"),
        ("name", "one"),
        ("name", "told"),
        ("name", "turn"),
        ("text", "answers"),
        ("text", "for good"),
        ("text", "gone"),
        ("text", "in vain"),
        ("text", "says"),
        ("text", "silence"),
        ("text", "silent"),
        ("text", "tell"),
    ]


@pytest.mark.parametrize("name", ["foundation", "max_answerable", "BeginnersGuide", "turnstile", "everyone"])
def test_a_word_is_matched_as_a_whole_part_of_a_name(name: str) -> None:
    (term, *_) = [t for t in terms_of(f"{name} = 1", PurePath("gateway/file.py")) if t.kind == "name"]
    assert list(banned().violations(term)) == []


@pytest.mark.parametrize(
    ("name", "bare"),
    [
        ("Kept", True),
        ("_Waiting", True),
        ("Dropped", True),
        ("asking", True),
        ("KeptRecords", False),
        ("DropReport", False),
        ("ring", False),
        ("Speed", False),
        ("String", False),
    ],
)
def test_a_participle_without_a_noun_is_recognised(name: str, bare: bool) -> None:
    assert is_bare_participle(name) is bare


@pytest.mark.parametrize("kind", ["file", "name", "key", "text"])
@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_uses_the_words_of_the_glossary(package: str, kind: Kind) -> None:
    violations = [
        violation
        for term in terms(package)
        if term.kind == kind and term.value not in EXCEPTIONS
        for violation in banned().violations(term)
    ]
    assert violations == [], "use the words of GLOSSARY.md:\n" + "\n".join(map(str, violations))


@pytest.mark.parametrize("package", PACKAGES)
def test_every_class_and_every_file_has_a_noun_in_its_name(package: str) -> None:
    assert bare_participles(package, accepted_participles()) == []


def test_exceptions_are_few_and_each_is_needed() -> None:
    values = {
        term.value for package in PACKAGES for term in terms(package) if list(banned().violations(term))
    }
    assert len(EXCEPTIONS) <= 20
    assert [name for name in EXCEPTIONS if name not in values] == []


def test_accepted_participles_are_participles() -> None:
    assert [word for word in accepted_participles() if not is_bare_participle(word)] == []
