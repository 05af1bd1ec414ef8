"""On what kind of file system a path is."""

from __future__ import annotations

from pathlib import Path

NETWORK_KINDS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "afs", "ceph", "glusterfs", "lustre"),
        *("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone", "fuse.ceph"),
    }
)
"""Those that may not tell one machine of another's locks."""
MEMORY_KINDS = frozenset({"tmpfs", "ramfs"})
"""Those that a power cut empties, whatever was forced to disk there."""


def kind_of(path: Path, mounts: Path = Path("/proc/self/mountinfo")) -> str:
    """Return the kind of the file system that holds `path`, as `mount` names it.

    Args:
        mounts: the table of what is mounted (https://man7.org/linux/man-pages/man5/proc.5.html).

    Returns:
        For example "ext4"; empty where the system does not tell.
    """
    try:
        lines = mounts.read_text().splitlines()
    except OSError:
        return ""
    path = path.resolve()
    found, kind = Path(), ""
    for line in lines:
        where, _, what = line.partition(" - ")
        point = Path(where.split()[4].encode().decode("unicode_escape"))  # a space is \040
        if (path == point or point in path.parents) and len(point.parts) >= len(found.parts):
            found, kind = point, what.split()[0]
    return kind
