"""Differences of topics are merge patches of RFC 7396, as a foreign reading of the RFC applies them."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from qilu.web.merge_patch import merge_patch

values = st.recursive(
    st.booleans() | st.integers(-3, 3) | st.text("ab", max_size=2) | st.lists(st.integers(0, 2), max_size=2),
    lambda inner: st.dictionaries(st.text("abc", min_size=1, max_size=1), inner, max_size=3),
    max_leaves=8,
)
objects = st.dictionaries(st.text("abc", min_size=1, max_size=1), values, max_size=3)


def applied(target: Any, patch: Any) -> Any:
    """MergePatch of RFC 7396, section 2."""
    if not isinstance(patch, dict):
        return patch
    result = dict(target) if isinstance(target, dict) else {}
    for name, value in patch.items():
        if value is None:
            result.pop(name, None)
        else:
            result[name] = applied(result.get(name), value)
    return result


@given(objects, objects)
def test_a_patch_turns_the_previous_state_into_the_current_one(previous: Any, current: Any) -> None:
    patch = merge_patch(previous, current)
    if patch is None:
        assert repr(previous) == repr(current) or previous == current
    else:
        assert applied(previous, patch) == current
