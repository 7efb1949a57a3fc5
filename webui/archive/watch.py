"""Notices files that people add, move or delete by hand while the program runs.

A look at every folder's own time stamp every two seconds: a thousand folders cost some milliseconds. A library that
asks the operating system (watchdog) would be one more compiled dependency, and would still need this for network disks
and linked folders. A file written over in place does not move its folder's stamp; the look at the next start sees it.
"""

from __future__ import annotations

import time
from pathlib import Path

from webui.archive.entries import list_folder, walk
from webui.archive.history import History
from webui.archive.periodic import Periodic

PERIOD = 2.0  # seconds
_COARSE = 3_000_000_000  # nanoseconds; some file systems count in steps of two seconds
_MANY = 100  # folders


class Watcher(Periodic):
    """Keeps the history up to date with the folders."""

    def __init__(self, history: History, period: float = PERIOD) -> None:
        super().__init__("watcher", period)
        self._history, self._root = history, history.root
        self._stamps: dict[str, int] = {}  # folder -> its time stamp when it was listed

    def look(self) -> None:
        """One look. Raises StorageError."""
        if not self._root.is_dir():
            return  # an unplugged disk: its pictures are not gone
        if not self._stamps:
            self._stamps = {folder.name: folder.stamp for folder in walk(self._root)}
            self._history.refresh()
            return
        changed = [name for name, stamp in self._stamps.items() if _stamp(self._root / name) != stamp]
        listed = [list_folder(self._root, name) for name in changed]
        known = [one for one in listed if one is not None and self._stamps.keys() >= set(one[1])]
        if len(known) < len(changed) or len(changed) > _MANY:
            self._stamps = {}  # folders came or went: all is looked at, at once
            self.look()
        elif known:
            # together, as a file may have moved from one to another
            self._history.refresh_folders([folder for folder, _, _ in known])
            # a file that came in the same tick of the clock would go unseen: a young stamp is looked at once more
            young = time.time_ns() - _COARSE
            self._stamps |= {folder.name: folder.stamp if folder.stamp < young else -1 for folder, _, _ in known}


def _stamp(folder: Path) -> int:
    try:
        return folder.stat().st_mtime_ns
    except OSError:
        return 0
