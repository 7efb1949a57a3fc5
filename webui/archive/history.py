"""The index of the outputs folder. The files are the truth: it can be thrown away and made again from them.

Only stars, tags and what was proved are kept elsewhere (`marks`), because no file says them.
"""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pipelines import database as sqlite
from pipelines.errors import InvalidRequest, Note
from webui.archive import index, marks
from webui.archive.adoption import Adoption
from webui.archive.connections import MARKS, Connections
from webui.archive.entries import (
    SUFFIXES,
    TRASH,
    UNKNOWN_SEED,
    Entry,
    Folder,
    Proof,
    Score,
    look,
    look_many,
)
from webui.archive.found import Facets, Family, Page
from webui.archive.left_out import LeftOut
from webui.archive.naming import NamePattern
from webui.archive.search import Query, count_statement, page_statement, place
from webui.archive.store import SavedImage, opaque_id

__all__ = ["INDEX", "MARKS", "SUFFIXES", "UNKNOWN_SEED", "Facets", "Family", "History", "Page"]

INDEX = "history.sqlite"  # its file in a data folder
_STEP = 200  # files read between two transactions
_MISSES = 5.0  # seconds between two looks for pictures that are not known
_ASKED = 500  # SQLite's parameters in one statement: 999 in old builds
_ENTRY = f"{index.SAVED}, model, sampler, mark, source, stamp, size, trashed, problem, digest"
_RATING = "coalesce((SELECT rating FROM marks.ratings r WHERE r.mark = images.mark), 0)"
_TAGS = "(SELECT group_concat(tag, ',') FROM marks.tags t WHERE t.mark = images.mark)"
_FILE_FACETS = ("model", "sampler", "task")

Progress = Callable[[int, int], None]  # files looked at, files in all


class History(Connections):
    """SQLite (WAL) at `path` over the files under `root`. Safe from any thread and beside another program.

    `kept`: where stars and tags are; beside `path` unless given. `number_in`: the number in a saved picture's name,
    where that is not of the usual pattern. Every method raises StorageError."""

    def __init__(
        self,
        path: Path,
        root: Path,
        kept: Path | None = None,
        number_in: index.NumberIn | None = None,
    ) -> None:
        self.left_out = LeftOut()
        self.adoption = Adoption(root)
        self.scanned = 0, 0  # files looked at and files in all, while a refresh runs
        self._walking = threading.Lock()
        self._missed = -_MISSES  # when a picture was asked for that is not known
        super().__init__(path, root, kept, number_in or NamePattern().number_in)

    # -- files come and go --------------------------------------------------------------------------------------

    def add(self, saved: SavedImage) -> None:
        """Notes an image that was just saved: the newest, whatever the clock says. One known already is brought up to
        date and keeps its place in the order."""
        entry = look(self.root, saved.path) or Entry(saved=saved)
        row = index.values(self.root, replace(entry, saved=replace(saved, id=entry.saved.id)))
        with self._writing():
            index.put(self._database, row, newest=True)

    def gone(self, paths: Iterable[Path]) -> None:
        """Notes files that are no longer there."""
        with self._writing():
            self._forget([path.relative_to(self.root).as_posix() for path in paths])

    def moved(self, pairs: Iterable[tuple[Path, Path]]) -> None:
        """Notes files that went from one place to another: they keep their places in the order."""
        entries = [(old, look(self.root, new)) for old, new in pairs]
        with self._writing():
            self._forget([old.relative_to(self.root).as_posix() for old, _ in entries])
            for _, entry in entries:
                if entry is not None:
                    index.put(self._database, index.values(self.root, entry))

    def refresh(self, progress: Progress | None = None) -> int:
        """Takes in files the index does not know or that changed, notes those gone; how many are new or changed."""
        with self._walking:
            return self._refresh(progress, self.left_out.walked(self.root), None)

    def refresh_folders(self, folders: Sequence[Folder]) -> int:
        """The same for the files of some folders as just listed, not for the folders in them."""
        with self._walking:
            return self._refresh(None, self.left_out.noted(folders), tuple(folder.name for folder in folders))

    def rebuild(self, progress: Progress | None = None) -> int:
        """Forgets everything but stars and tags and reads all files again; how many there are. Until the end the
        old index answers."""
        with self._walking:
            return self._rebuild(progress, self.left_out.walked(self.root))

    def _rebuild(self, progress: Progress | None, folders: Sequence[Folder]) -> int:
        paths = [path for path, _ in _files(self.root, folders)]
        with self._writing():
            index.begin_fresh(self._database)
        count = self._read(paths, progress)
        with self._writing():
            saved_since = [look(self.root, self.root / path) for path in index.unseen(self._database)]
            rows = [index.values(self.root, entry) for entry in saved_since if entry is not None]
            index.keep_fresh(self._database, rows)
            index.replace_all(self._database)
        return count + len(rows)

    def _refresh(self, progress: Progress | None, folders: Sequence[Folder], only: tuple[str, ...] | None) -> int:
        if not self.root.is_dir():
            return 0  # an unplugged disk: its pictures are not gone
        if only is None and self._is_empty():
            return self._rebuild(progress, folders)  # in the order of the files alone
        there = dict(_files(self.root, folders))
        with self._reading():
            where = f"AND folder IN ({_holes(only)})" if only is not None else ""
            rows = self._reader.execute(f"SELECT path, size, stamp FROM images WHERE gone = 0 {where}", only or ())
            known = {self.root / path: (size, stamp) for path, size, stamp in rows}
        # what was saved since the folders were listed is known and there, though the list lacks it
        lost = [path.relative_to(self.root).as_posix() for path in known.keys() - there.keys() if not _is_there(path)]
        changed = [path for path, state in there.items() if known.get(path) != state]
        if not lost and not changed:
            return 0
        with self._writing():
            self._forget(lost)
            index.begin_fresh(self._database)
        count = self._read(changed, progress)
        with self._writing():
            order = index.fresh_order(self._database)
        for start in range(0, len(order), _STEP):
            with self._writing():
                for row in index.fresh_rows(self._database, order[start : start + _STEP]):
                    index.put(self._database, row, newest=index.is_young(row))  # another program has just made it
        return count

    def _is_empty(self) -> bool:
        with self._reading():
            return not self._reader.execute("SELECT EXISTS (SELECT 1 FROM images)").fetchone()[0]

    def _read(self, paths: Sequence[Path], progress: Progress | None) -> int:
        """Reads files into the temporary table; how many are pictures. Nobody waits for it: it locks a batch long."""
        count = 0
        self.scanned = 0, len(paths)
        for start, entries in zip(range(0, len(paths), _STEP), look_many(self.root, paths, _STEP), strict=True):
            rows = [index.values(self.root, entry) for entry in entries]
            with self._writing():
                index.keep_fresh(self._database, rows)
            count += len(rows)
            self.scanned = min(start + _STEP, len(paths)), len(paths)
            if progress is not None:
                progress(*self.scanned)
        self.scanned = 0, 0
        return count

    def _forget(self, names: Iterable[str]) -> None:
        self._database.executemany("UPDATE images SET gone = 1 WHERE path = ?", [(name,) for name in names])

    @property
    def changes(self) -> int:
        """Grows with whatever this program writes into the index."""
        return self._database.total_changes

    # -- looking ------------------------------------------------------------------------------------------------

    def recent(self, limit: int, before: str | None = None) -> list[SavedImage]:
        """At most `limit` readable images, newest first, older than the one with the id `before`."""
        after = None
        if before is not None:
            with self._reading():
                row = self._reader.execute("SELECT number FROM images WHERE token = ?", (before,)).fetchone()
            if row is None:
                return []
            after = place(0, row[0])
        return [entry.saved for entry in self.search(Query(), limit, after).entries if entry.saved.width]

    def search(self, query: Query, limit: int, after: str | None = None) -> Page:
        """A page of what `query` asks for, from behind `after` of the page before. Passes over files gone.
        Raises InvalidRequest."""
        found: list[Entry] = []
        while len(found) < limit:
            wanted = limit - len(found)
            statement = page_statement(query, wanted + 1, after)
            with self._reading():
                places = self._reader.execute(statement.sql, statement.values).fetchall()
                entries = self._entries([number for number, _ in places[:wanted]])
            found += self._present(entries)
            after = place(places[wanted - 1][1], places[wanted - 1][0]) if len(places) > wanted else None
            if after is None:
                break
        return Page(entries=tuple(found), after=after)

    def count(self, query: Query) -> int:
        """How many pictures `query` asks for. Raises InvalidRequest."""
        statement = count_statement(query)
        with self._reading():
            return int(self._reader.execute(statement.sql, statement.values).fetchone()[0])

    def get(self, identity: str) -> SavedImage | None:
        """The image with this opaque id, None when there is none or its file is gone."""
        entry = self.entry(identity)
        return entry.saved if entry else None

    def find(self, identity: str) -> SavedImage | None:
        """Likewise, and looks through the folder, now and then, for one that another program may have made."""
        found = self.get(identity)
        if found is None and time.monotonic() - self._missed > _MISSES:
            self._missed = time.monotonic()
            self.refresh()
            found = self.get(identity)
        return found

    def entry(self, identity: str) -> Entry | None:
        """Likewise, with all that the index knows."""
        found = self.entries([identity])
        return found[0] if found else None

    def entries(self, identities: Sequence[str]) -> list[Entry]:
        """Those of the ids that are there, in their order."""
        by_id = {entry.saved.id: entry for entry in self._present(self._known(identities, "gone = 0"))}
        return [by_id[identity] for identity in dict.fromkeys(identities) if identity in by_id]

    def paths(self, identities: Sequence[str]) -> list[Path]:
        """The files of the ids, in their order, those that are gone too."""
        by_id = {entry.saved.id: entry.saved.path for entry in self._known(identities, "true")}
        return [by_id[identity] for identity in dict.fromkeys(identities) if identity in by_id]

    def _known(self, identities: Sequence[str], where: str) -> list[Entry]:
        found: list[Entry] = []
        with self._reading():
            for start in range(0, len(identities), _ASKED):
                asked = identities[start : start + _ASKED]
                rows = self._reader.execute(
                    f"SELECT number FROM images WHERE {where} AND token IN ({_holes(asked)})", tuple(asked)
                )
                found += self._entries([number for (number,) in rows])
        return found

    def facets(self) -> Facets:
        """What to filter by."""
        with self._reading():
            models, samplers, tasks = (self._groups(name, f"images WHERE {name} <> '' AND") for name in _FILE_FACETS)
            sizes = self._groups("width, height", "images WHERE")
            tags = self._groups("tag", "marks.tags CROSS JOIN images ON images.mark = tags.mark WHERE")
        return Facets(
            models=models,
            samplers=samplers,
            tasks=tasks,
            sizes=tuple(((width, height), count) for width, height, count in sizes),
            tags=tags,
        )

    def _groups(self, names: str, source: str) -> tuple[Any, ...]:
        # the plus keeps SQLite from the index of all that is there: the one by name answers by itself
        return tuple(
            self._reader.execute(
                f"SELECT {names}, count(*) FROM {source} gone = 0 AND +trashed = 0 GROUP BY {names}"
                f" ORDER BY count(*) DESC, {names} LIMIT 200"
            )
        )

    def family(self, identity: str, limit: int = 24) -> Family:
        """What the picture was made from and what was made from it, as far as their pixels' hashes tell."""
        entry = self.entry(identity)
        if entry is None:
            return Family(parents=(), children=())
        parents = self._with("mark", entry.source, limit) if entry.source else []
        children = self._with("source", entry.mark, limit) if entry.mark else []
        return Family(parents=tuple(parents), children=tuple(children))

    def _with(self, column: str, value: str, limit: int) -> list[Entry]:
        wanted = f"SELECT number FROM images WHERE {column} = ? AND gone = 0 AND trashed = 0 ORDER BY number LIMIT ?"
        with self._reading():
            rows = self._reader.execute(wanted, (value, limit))
            entries = self._entries([number for (number,) in rows])
        return self._present(entries)

    def folders(self) -> list[str]:
        """The folders that hold pictures, but the trash."""
        with self._reading():
            rows = self._reader.execute("SELECT DISTINCT folder FROM images WHERE gone = 0 AND trashed = 0 ORDER BY 1")
            return [folder for (folder,) in rows]

    def _entries(self, numbers: Sequence[int]) -> list[Entry]:
        """In the order of `numbers`. Call while reading."""
        found: dict[int, Entry] = {}
        for start in range(0, len(numbers), _ASKED):
            asked = numbers[start : start + _ASKED]
            rows = self._reader.execute(
                f"SELECT number, {_ENTRY}, {_RATING}, {_TAGS}, s.score, s.judge, s.sha256, verdict, at, told"
                f" FROM images LEFT JOIN marks.proofs USING (digest)"
                f" LEFT JOIN marks.scores s USING (mark) WHERE number IN ({_holes(asked)})",
                tuple(asked),
            )
            found |= {row[0]: self._entry(row[1:]) for row in rows}
        return [found[number] for number in numbers if number in found]

    def _entry(self, row: tuple[Any, ...]) -> Entry:
        model, sampler, mark, source, stamp, size, trashed, problem, digest, rating, tags, *rest = row[9:]
        score, proof = rest[:3], rest[3:]
        try:
            saved = index.saved_of(self.root, row[:9])
            told = Note.from_json(json.loads(problem)) if problem else None
            proved = Proof.read(*proof) if proof[0] is not None else None
        except (ValueError, TypeError) as error:
            raise sqlite.damaged(str(error)) from error
        return Entry(
            saved=saved,
            model=model,
            sampler=sampler,
            mark=mark,
            source=source,
            stamp=stamp,
            size=size,
            trashed=bool(trashed),
            rating=rating,
            tags=tuple(sorted(tags.split(","))) if tags else (),
            problem=told,
            digest=digest,
            proof=proved,
            score=None if score[0] is None else Score(value=score[0], judge=score[1], sha256=score[2]),
        )

    def _present(self, entries: list[Entry]) -> list[Entry]:
        """Without those whose file is gone, or is a link now; they are noted."""
        there = [entry for entry in entries if _is_there(entry.saved.path)]
        if len(there) < len(entries) and self.root.is_dir():
            kept = {entry.saved.path for entry in there}
            self.gone(entry.saved.path for entry in entries if entry.saved.path not in kept)
        return there

    # -- stars and tags -----------------------------------------------------------------------------------------

    def rate(self, identities: Sequence[str], rating: int) -> None:
        """0 to 5 stars. Raises InvalidRequest."""
        found = self._marked(identities)
        with self._writing():
            marks.rate(self._database, found, rating)

    def tag(self, identities: Sequence[str], *, add: Iterable[str] = (), remove: Iterable[str] = ()) -> None:
        """Raises InvalidRequest."""
        found = self._marked(identities)
        with self._writing():
            marks.tag(self._database, found, add, remove)

    def score(self, scores: Mapping[str, float], judge: str, sha256: str) -> None:
        """By identity, what a judge measured. Those that are not known are left out."""
        found = {entry.mark: scores[entry.saved.id] for entry in self.entries([*scores]) if entry.mark}
        with self._writing():
            marks.score(self._database, found, judge, sha256)

    def _marked(self, identities: Sequence[str]) -> list[str]:
        found = [entry.mark for entry in self.entries(identities) if entry.mark]
        if not found:
            raise InvalidRequest("file", "picture_unknown")
        return list(dict.fromkeys(found))

    def identity(self, path: Path) -> str:
        """The opaque id of a place below the root."""
        return opaque_id(self.root, path)


def _files(root: Path, folders: Iterable[Folder]) -> Iterator[tuple[Path, tuple[int, int]]]:
    for folder in folders:
        if folder.name != TRASH:
            for name, state in folder.files.items():
                yield root / folder.name / name, state


def _is_there(path: Path) -> bool:
    return path.is_file() and not path.is_symlink()


def _holes(values: Sequence[object]) -> str:
    return ", ".join("?" * len(values))
