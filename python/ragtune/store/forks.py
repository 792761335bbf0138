"""What a forked child finds: locks that nobody holds, and no open SQLite connection.

A child must not use its parent's connection, and opening its own beside it is not enough:
SQLite keeps the locks of a process by file, so the child's new connection would believe that
it holds what only the parent holds. When the parent then closes, it deletes the write-ahead
log under the child, and what the child commits is lost. So connections are closed before a
fork, and both sides open them anew when they next need one. (A subprocess is not a fork.)
"""

from __future__ import annotations

import os
import threading
import weakref
from typing import Protocol


class Forkable(Protocol):
    """Something that must be quiet while the process forks."""

    def before_fork(self) -> None:
        """Wait until no other thread uses it, and keep it so."""
        ...

    def after_fork(self) -> None:
        """Let it go again, in the parent and in the child."""
        ...


_known: weakref.WeakKeyDictionary[Forkable, None] = weakref.WeakKeyDictionary()
_quiet: list[Forkable] = []  # held by the fork under way


def register(forkable: Forkable) -> None:
    """Have it told of forks for as long as it lives.

    The last registered is quieted first: it may hold its lock while it waits for an older one.
    """
    _known[forkable] = None


class Lock:
    """A re-entrant mutex; no child inherits it held by a thread which it does not have."""

    def __init__(self) -> None:
        self._lock = threading.RLock()
        register(self)

    def __enter__(self) -> None:
        self._lock.acquire()

    def __exit__(self, *_: object) -> None:
        self._lock.release()

    def before_fork(self) -> None:
        self._lock.acquire()

    def after_fork(self) -> None:
        self._lock.release()


def _before() -> None:
    global _quiet
    quiet = list(_known)[::-1]
    for forkable in quiet:
        forkable.before_fork()
    _quiet = quiet


def _after() -> None:
    global _quiet
    quiet, _quiet = _quiet, []
    for forkable in quiet:
        forkable.after_fork()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_after, after_in_child=_after)
