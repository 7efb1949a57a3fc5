"""Numbers of files: none is given twice in a folder, whatever programs write into it.

A number is taken by making an empty file of that name, which only one program can, on any disk, with links or without.
A program that dies in between leaves a gap.
"""

from __future__ import annotations

import contextlib
import os
from pathlib import Path

from webui.archive.files import discard, make_folder

FOLDER = ".numbers"  # in the folder of the files
KEPT = 64  # the last ones taken; older ones need no file any more
_NEAR = KEPT // 2


def take(folder: Path, number: int) -> int:
    """The first number from `number` on that nobody has taken; from now on it is taken. Raises OSError."""
    marks = make_folder(folder, Path(FOLDER))
    while True:
        try:
            os.close(os.open(marks / f"{number:05d}", os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o666))
        except FileExistsError:
            number += 1
            continue
        taken = _listed(marks)
        last = max(taken, default=number)
        if last < number + _NEAR:
            break
        number = last + 1  # far behind the others: its file may have been there and be cleared away already
    for old in taken:
        if old <= number - KEPT:
            discard(marks / f"{old:05d}")
    return number


def _listed(marks: Path) -> list[int]:
    with contextlib.suppress(FileNotFoundError), os.scandir(marks) as entries:
        return [int(entry.name) for entry in entries if entry.name.isascii() and entry.name.isdecimal()]
    return []
