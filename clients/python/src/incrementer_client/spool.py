"""An outbox on disk, bounded in bytes, which outlives the process.

Each batch is a file that has exactly the bytes of the request. Its name says the rest:

    SPOOL/owner-UUID/lock                       locked by the living owner of this folder
    SPOOL/owner-UUID/UUID.INCREMENTS.waiting    never sent
    SPOOL/owner-UUID/UUID.INCREMENTS.sent       sent with this id, and not answered
    SPOOL/refused/UUID.STATUS.json              refused by the service, for people to look at

1. A file is written under another name, forced to disk and renamed: it is whole, or not there.
2. Before a batch is sent for the first time it is renamed to a new id, and the folder is forced to
   disk. So an id is as old as its first attempt, and a batch is never sent under two ids.
3. Once it is answered, the file is removed. If the process dies before, the batch is sent again
   with the same id, and the service counts it once.
"""

from __future__ import annotations

import errno
import os
from collections import deque
from pathlib import Path
from threading import Lock

from incrementer_client.batch import Batch
from incrementer_client.outbox import log, log_lost, log_refused
from incrementer_client.owned_folder import OwnedFolder, make_owned_folder, sync_folder, take_over
from incrementer_client.spool_files import Used, bytes_on_disk, find_batches, write_whole
from incrementer_client.uuid7 import uuid7

_REFUSED = "refused"
_TOO_MANY_OPEN = {errno.EMFILE, errno.ENFILE}
"""No fault of the file that is being opened."""


class Spool:
    def __init__(self, path: Path, max_bytes: int) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._own: OwnedFolder | None = None
        self._taken_over: list[OwnedFolder] = []
        self._left: set[Path] = set()  # folders with a file that cannot be removed: not given up
        # Without their bodies, but for the first and one that could not be written.
        self._batches: deque[Batch] = deque()
        self._changing = Lock()  # guards what stands above: one thread puts in, another takes out
        self._used = Used(path)
        self._last_problem = ""

    def put(self, batch: Batch) -> bool:
        """Take a batch in; return whether there was room.

        Where it cannot be written and nothing else is to be sent, it is sent from memory.
        """
        problem = self._write(batch)
        if problem and problem != self._last_problem:
            log.warning("Increments stay in memory: %s", problem)
        self._last_problem = problem
        if not problem:
            entry = Batch(b"", batch.increments, batch.id, batch.path)
        elif self._has_other_work() or os.path.lexists(batch.path or ""):  # a rest of it on disk
            return False
        else:
            entry = Batch(batch.body, batch.increments)
        with self._changing:
            self._batches.append(entry)
        return True

    def _has_other_work(self) -> bool:
        with self._changing:
            return not all(each.problem for each in self._batches)

    def _write(self, batch: Batch) -> str:
        """Write the file of a batch; return what is the matter, if it cannot be written."""
        size = bytes_on_disk(len(batch.body))
        if self.used_bytes() + size > self._max_bytes:
            return f"the spool {self._path} is full"
        try:
            if self._own is not None and not self._own.path.is_dir():  # somebody has removed it
                self._own.give_up()
                self._own = None
            if self._own is None:
                self._own = make_owned_folder(self._path)
            if batch.path is None or batch.path.parent != self._own.path:
                # It stays the same where this fails and is tried again: so there is one file.
                name = f"{batch.id}.{batch.increments}.sent"
                if batch.id is None:
                    name = f"{uuid7()}.{batch.increments}.waiting"
                batch.path = self._own.path / name
            write_whole(batch.path, batch.body)
        except OSError as error:
            return f"the spool {self._path} cannot be written: {error.strerror}"
        self._used.add(size)
        return ""

    def first(self) -> Batch | None:
        for _ in range(len(self._batches)):
            batch = self._batches[0]
            if batch.body:
                return batch
            assert batch.path is not None, "what is in memory has its body"
            try:
                batch.body = batch.path.read_bytes()
                if batch.body:
                    return batch
                self._postpone(batch, "it is empty")
            except FileNotFoundError:
                self._removed(batch)
            except OSError as error:
                if error.errno in _TOO_MANY_OPEN:
                    return None
                self._postpone(batch, f"it cannot be read: {error.strerror}")
        return None

    def begin(self, batch: Batch) -> bool:
        if batch.id is not None:
            return True
        new_id = str(uuid7())
        if batch.path is None:
            batch.id = new_id
            return True
        path = batch.path.with_name(f"{new_id}.{batch.increments}.sent")
        try:
            batch.path.rename(path)
            batch.path = path
            sync_folder(path.parent)
        except FileNotFoundError:
            self._removed(batch)
            return False
        except OSError as error:
            self._postpone(batch, f"it cannot be renamed: {error.strerror}")
            return False
        batch.id = new_id
        return True

    def _removed(self, batch: Batch) -> None:
        log.error("%s has been removed: its increments may not count", batch.path)
        self._drop(batch)

    def _postpone(self, batch: Batch, problem: str) -> None:
        """Put a batch whose file is in trouble behind all others."""
        if problem != batch.problem:
            log.error("%s: %s. It stays there, and is tried again", batch.path, problem)
            batch.problem = problem
        batch.body = b""
        with self._changing:
            self._batches.remove(batch)
            self._batches.append(batch)

    def done(self, batch: Batch) -> None:
        self._drop(batch)
        if batch.path is None:
            return
        try:
            batch.path.unlink(missing_ok=True)
        except OSError as error:  # it would be sent again, with the same id
            log.warning("%s counts, and cannot be removed: %s", batch.path, error.strerror)
            self._left.add(batch.path.parent)
        self._used.add(-bytes_on_disk(len(batch.body)))

    def set_aside(self, batch: Batch, why: str, status: int) -> None:
        self._drop(batch)
        if batch.path is None:
            log_refused(batch, why)
            return
        refused = self._path / _REFUSED
        path = refused / f"{batch.id}.{status}.json"
        try:
            refused.mkdir(mode=0o700, exist_ok=True)
            batch.path.rename(path)
            sync_folder(refused)
            log.error("%s. Its %d increments are kept in %s", why, batch.increments, path)
        except OSError as error:
            log.error("%s. It cannot be moved to %s: %s", why, refused, error.strerror)
            self._left.add(batch.path.parent)

    def _drop(self, batch: Batch) -> None:
        with self._changing:
            self._batches.remove(batch)

    def look_around(self) -> None:
        if not self._path.is_dir():
            return
        self._give_up_empty()
        for folder in take_over(self._path):
            if folder.path in self._owned():  # its lock was removed: now it has this one, too
                self._hold(folder)
                continue
            try:
                found = sorted(
                    find_batches(folder.path), key=lambda each: (each.id is None, each.path)
                )
            except OSError as error:
                if error.errno in _TOO_MANY_OPEN:
                    folder.give_up()
                    continue
                log.error("%s stays there, and cannot be read: %s", folder.path, error.strerror)
                self._hold(folder)
                continue
            if not found:
                folder.give_up()
                continue
            log.info("%s: %d batches of a process that is gone", folder.path, len(found))
            self._taken_over.append(folder)
            with self._changing:
                # Those that were sent go first: their ids grow old.
                sent = [batch for batch in found if batch.id]
                self._batches.extendleft(reversed(sent))
                self._batches.extend(found[len(sent) :])

    def _owned(self) -> set[Path]:
        return {each.path for each in [*filter(None, [self._own]), *self._taken_over]}

    def _hold(self, folder: OwnedFolder) -> None:
        """Keep a folder from being taken over for as long as this process lives."""
        self._taken_over.append(folder)
        self._left.add(folder.path)

    def _give_up_empty(self) -> None:
        """Let go of folders that were taken over and whose batches are all answered."""
        with self._changing:
            needed = {batch.path.parent for batch in self._batches if batch.path} | self._left
        for folder in list(self._taken_over):
            if folder.path not in needed:
                folder.give_up()
                self._taken_over.remove(folder)

    def waiting(self) -> int:
        with self._changing:
            return sum(batch.increments for batch in self._batches)

    def used_bytes(self) -> int:
        return self._used.bytes()

    def abandon(self, batches: list[Batch]) -> None:
        with self._changing:
            in_memory = [batch for batch in self._batches if batch.path is None]
        for batch in in_memory:
            if self._write(batch):
                log_lost(batch)
        for batch in batches:
            log_lost(batch)
        for folder in [*filter(None, [self._own]), *self._taken_over]:
            folder.give_up()
