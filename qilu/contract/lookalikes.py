"""Characters that look like ASCII and are not: of Chinese input methods, word processors and web pages."""

from __future__ import annotations

from unicodedata import normalize

_MEANT = {
    "“": '"', "”": '"', "„": '"', "‘": "'", "’": "'", "«": '"', "»": '"', "—": "-", "–": "-", "−": "-",
    "、": ",", "。": ".", "【": "[", "】": "]", "「": '"', "」": '"', "『": '"', "』": '"',
    "《": '"', "》": '"', "　": " ", "\xa0": " ", "‹": "'", "›": "'", "‚": "'", "‛": "'", "‟": '"', "〝": '"',
    "〞": '"', "‐": "-", "‑": "-",
    **dict.fromkeys("\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008\u2009\u200a\u202f\u205f", " "),
    **dict.fromkeys("\u200b\u200c\u200d\u2060\ufeff\u00ad", ""),
}  # fmt: skip
_FULL_WIDTH = range(0xFF01, 0xFF5F)
_SMALL_FORMS = range(0xFE50, 0xFE6C)


def meant_by(char: str) -> str | None:
    """The ASCII character that `char` looks like, None for any that is itself."""
    if ord(char) in _FULL_WIDTH or ord(char) in _SMALL_FORMS:
        char = normalize("NFKC", char)
        return char if char.isascii() else _MEANT.get(char)
    return _MEANT.get(char)


def find_lookalike(text: str) -> str | None:
    """The first such character of `text`; punctuation goes before letters and digits of full width."""
    lookalikes = [char for char in text if meant_by(char) is not None]
    return min(lookalikes, key=str.isalnum, default=None)


def host_problem(host: str) -> str | None:
    """Why `host` cannot be the name or address of a machine; None when nothing in its characters says so."""
    bad = find_lookalike(host) or next((c for c in host if c.isspace() or not c.isprintable()), None)
    return None if bad is None else f"{host!r} is no host name: {bad!r} (U+{ord(bad):04X}) cannot be in one"


def describe_lookalike(char: str) -> str:
    """Which character it is, and what to type in its place."""
    meant = meant_by(char)
    what = {" ": "type a plain space in its place", "": "remove it"}.get(
        meant or "", f"type {meant} in its place"
    )
    return f"there stands {char!r} (U+{ord(char):04X}): {what}"
