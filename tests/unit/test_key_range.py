"""Keys that begin with a prefix are those in its range."""

from __future__ import annotations

from hypothesis import example, given
from hypothesis import strategies as st

from counters.increments import MAX_KEY_LENGTH
from counters.listing import key_range

LAST = "\U0010ffff"
texts = st.text(
    st.sampled_from(["a", "b", "\x01", "\ud7ff", "\ue000", "\uffff", "\U00010000", LAST])
    | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
    max_size=4,
)


@given(prefix=texts, key=texts.filter(bool))
@example(prefix="a\ud7ff", key="a\ue000")
@example(prefix=LAST, key=LAST * MAX_KEY_LENGTH)
@example(prefix="", key=LAST * MAX_KEY_LENGTH)
@example(prefix=f"a{LAST}", key="b")
def test_a_key_is_in_the_range_of_what_it_begins_with(prefix: str, key: str) -> None:
    first, end = (text.encode() for text in key_range(prefix))  # databases compare the bytes
    for each in (key, (prefix + key)[:MAX_KEY_LENGTH]):
        assert (first <= each.encode() < end) == each.startswith(prefix)
