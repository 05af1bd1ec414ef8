"""The table of mounts says on what kind of file system a path is."""

from __future__ import annotations

from pathlib import Path

import pytest

from counters.file_system import NETWORK_KINDS, kind_of

MOUNTS = """\
27 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 27 0:40 / /srv rw - nfs4 server:/export rw,vers=4.2
31 30 0:41 / /srv/local\\040disk rw master:1 - xfs /dev/vdb rw
32 27 0:42 / /mnt/share rw - cifs //server/share rw
33 27 0:43 / /mnt/share rw - tmpfs tmpfs rw
"""


@pytest.mark.parametrize(
    ("path", "kind"),
    [
        ("/", "ext4"),
        ("/var/journal", "ext4"),
        ("/srvx", "ext4"),
        ("/srv", "nfs4"),
        ("/srv/journal", "nfs4"),
        ("/srv/local disk/journal", "xfs"),
        ("/mnt/share/journal", "tmpfs"),  # the later mount hides the earlier one
    ],
)
def test_the_innermost_and_latest_mount_holds_a_path(tmp_path: Path, path: str, kind: str) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert kind_of(Path(path), table) == kind


def test_network_file_systems_are_known_as_such(tmp_path: Path) -> None:
    table = tmp_path / "mountinfo"
    table.write_text(MOUNTS)
    assert kind_of(Path("/srv/journal"), table) in NETWORK_KINDS
    assert kind_of(Path("/srv/local disk"), table) not in NETWORK_KINDS


def test_without_a_table_of_mounts_nothing_is_refused(tmp_path: Path) -> None:
    assert kind_of(Path("/"), tmp_path / "none") == ""
