"""Files of what the database refuses, where a flush has to be repeated."""

from __future__ import annotations

from collections import defaultdict
from contextlib import suppress
from io import BytesIO
from pathlib import Path
from uuid import uuid4

import pytest

from counters import totals
from counters.counting import count_contents
from counters.identity import totals_ids
from counters.increments import MAX_VALUE
from counters.journal_folder import opened
from counters.reader import Contents
from counters.records import Header
from counters.recovery import flush_journals
from counters.refused_files import keep_refused, refused_draft
from counters.totals import Refused

pytestmark = pytest.mark.django_db(transaction=True)


class NotCommitted(Exception):
    pass


def contents_of(deltas: dict[str, int]) -> Contents:
    return Contents(BytesIO(), Header(), 200, defaultdict(int, deltas))


def test_a_flush_that_is_repeated_writes_the_same_file_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / f"{uuid4().hex}.journal"
    first, again = {"bad": 2}, {"bad": MAX_VALUE + 5, "worse": -3}
    for deltas in first, again:
        monkeypatch.setattr(totals, "add_to_totals", lambda given, _: Refused(dict(given), "no"))
        with suppress(NotCommitted), totals.transaction():
            count_contents(journal, 100, contents_of(deltas))
            if deltas is first:
                raise NotCommitted
    (refused,) = tmp_path.iterdir()
    renamed = refused.rename(refused.with_suffix(".journal"))
    with opened(renamed) as file:
        assert file.read(0).deltas == again


def test_what_is_taken_when_a_flush_is_repeated_is_not_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    journal = tmp_path / f"{uuid4().hex}.journal"
    for refused in Refused({"bad": 1}, "no"), Refused():
        monkeypatch.setattr(totals, "add_to_totals", lambda given, _, answer=refused: answer)
        with suppress(NotCommitted), totals.transaction():
            count_contents(journal, 100, contents_of({"bad": 1}))
            if refused.deltas:
                raise NotCommitted
    assert not list(tmp_path.iterdir())


def test_drafts_of_other_totals_are_left_alone(tmp_path: Path) -> None:
    """Another service on the same folder: whether its flush was committed, its database knows."""
    draft = refused_draft(tmp_path, uuid4().hex, 0)
    keep_refused(draft, {"bad": 1}, uuid4().bytes, max_bytes=2**20)
    flush_journals(tmp_path, set())
    assert list(tmp_path.iterdir()) == [draft]


@pytest.mark.parametrize("is_committed", [True, False])
def test_a_file_gets_its_name_only_if_its_flush_was_committed(
    is_committed: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A process dies before or after the COMMIT; the next flush sees to what it left."""
    totals_ids()  # the test's database gets its id
    journal = tmp_path / f"{uuid4().hex}.journal"
    with monkeypatch.context() as dying:
        dying.setattr(totals, "add_to_totals", lambda given, _: Refused(dict(given), "no"))
        dying.setattr(totals, "after_commit", lambda callback: None)
        with suppress(NotCommitted), totals.transaction():
            position = totals.lock_position(journal.stem)
            count_contents(journal, position, contents_of({"bad": 1}))
            totals.move_position(journal.stem, 100)
            if not is_committed:
                raise NotCommitted
    assert not list(tmp_path.glob("*.refused"))
    assert len(list(tmp_path.iterdir())) == 1
    flush_journals(tmp_path, set())
    assert [path.suffix for path in tmp_path.iterdir()] == [".refused"] * is_committed
