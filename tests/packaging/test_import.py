"""Importing `counters` costs nothing, and neither does having it installed."""

from __future__ import annotations

import json

from tests.packaging.project import Project


def test_importing_the_door_imports_nothing_else(new_project: Project) -> None:
    imported = json.loads(
        new_project.run(
            "-c",
            "import json, sys\n"
            "before = set(sys.modules)\n"
            "import counters\n"
            "print(json.dumps(sorted(set(sys.modules) - before)))",
        )
    )
    ours = [name for name in imported if name.partition(".")[0] == "counters"]
    others = {name.partition(".")[0] for name in imported} & {"django", "isal", "msgspec", "tqdm"}
    assert ours == ["counters"]
    assert not others


def test_a_project_that_does_not_count_has_no_threads_and_no_journal(new_project: Project) -> None:
    assert new_project.script("import threading; print(threading.active_count())") == "1\n"
    assert not new_project.journals.exists()
