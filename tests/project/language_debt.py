"""Where the packages do not use the words of the glossary yet, and where they need not."""

from collections.abc import Mapping, Sequence

EXCEPTIONS: Mapping[str, str] = {
    "connection_made": "a method of asyncio.Protocol",
    "union_tag_not_found": "an error type of pydantic",
    "SESSION_TAKEN_OVER": "a reason code of MQTT 5",
    "one_based": "addresses that count from 1",
    "seal_temperature_back": "the rear seal of a packaging line",
    "off_by_one": "a common error in register lists",
}
"""Names and texts that have a banned word for a reason; at most 20."""

NOT_YET: Mapping[str, Mapping[str, int]] = {}
"""Package, kind -> violations. A number may only fall: whoever mends a name or a text lowers it.

All of them are names outside the programs: keys of settings and fault files, metrics, causes of the audit,
keys of the control port and of files of the spool. Each is renamed with its line in a table of renames.
"""

PARTICIPLES_NOT_YET: Mapping[str, Sequence[str]] = {}
"""Package -> classes and files whose only word is a participle. The list may only get shorter."""
