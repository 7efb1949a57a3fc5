"""Every database is opened in one way: brought up to date, never downgraded, set aside when damaged, read unlocked."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from itertools import count
from pathlib import Path

import pytest

from pipelines import shared_database
from pipelines.database import Schema, opened
from pipelines.errors import StorageError, Unavailable
from pipelines.models.files import hashes
from pipelines.shared_database import Database
from tests.refusals import failing
from webui.archive import index, marks, thumbnails
from webui.archive.history import History
from webui.jobs import schema

ONE = Schema(steps=("CREATE TABLE one (a INTEGER);",))
TWO = Schema(steps=(*ONE.steps, "ALTER TABLE one ADD COLUMN b INTEGER DEFAULT 7; CREATE INDEX one_b ON one (b);"))
SCHEMAS = {
    "jobs": schema.SCHEMA,
    "marks": marks.SCHEMA,
    "history": index.SCHEMA,
    "thumbnails": thumbnails.SCHEMA,
    "hashes": hashes.SCHEMA,
}
every = pytest.mark.parametrize("kind", SCHEMAS.values(), ids=SCHEMAS)


def version(path: Path) -> int:
    with closing(sqlite3.connect(path)) as connection:
        return int(connection.execute("PRAGMA user_version").fetchone()[0])


def tables(path: Path) -> set[str]:
    with closing(sqlite3.connect(path)) as connection:
        return {row[0] for row in connection.execute("SELECT name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%'")}


def test_a_file_of_an_earlier_version_gets_the_steps_it_lacks(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    with closing(opened(path, ONE)) as connection:
        connection.execute("INSERT INTO one VALUES (1)")
    with closing(opened(path, TWO)) as connection:
        assert [tuple(row) for row in connection.execute("SELECT a, b FROM one")] == [(1, 7)]
    assert version(path) == 2


def test_a_step_that_fails_leaves_the_version_before(tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    opened(path, ONE).close()
    with failing(StorageError, "database_closed"):
        opened(path, Schema(steps=(*ONE.steps, "CREATE TABLE two (a); CREATE TABLE one (a);")))
    assert (version(path), tables(path)) == (1, {"one"})


@every
def test_a_newer_version_is_refused_or_emptied_where_it_can_be_made_again(kind: Schema, tmp_path: Path) -> None:
    path = tmp_path / "a.sqlite"
    opened(path, kind).close()
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("CREATE TABLE of_tomorrow (a)")
        connection.execute(f"PRAGMA user_version = {kind.version + 1}")
    if not kind.throwaway:
        with failing(StorageError, "database_newer", value=kind.version + 1, known=kind.version):
            opened(path, kind)
        assert "of_tomorrow" in tables(path)
        return
    opened(path, kind).close()
    assert version(path) == kind.version
    assert "of_tomorrow" not in tables(path)


def test_looking_waits_for_no_writer(tmp_path: Path) -> None:
    database = Database(tmp_path / "a.sqlite", ONE)
    with closing(sqlite3.connect(tmp_path / "a.sqlite", timeout=0, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")  # another program writes, and takes its time
        with database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM one").fetchone()[0] == 0
        other.execute("ROLLBACK")
        with database.reading() as connection:
            connection.execute("SELECT count(*) FROM one").fetchone()
            other.execute("BEGIN IMMEDIATE")  # would raise at once if the look held the lock
            other.execute("ROLLBACK")

    def half() -> None:
        with database.transaction() as connection:
            connection.execute("INSERT INTO one VALUES (1)")
            connection.execute("INSERT INTO no_such_table VALUES (1)")

    with pytest.raises(Unavailable) as caught:
        half()
    assert "no_such_table" in caught.value.note.values["reason"]
    with database.reading() as connection:
        assert connection.execute("SELECT count(*) FROM one").fetchone()[0] == 0
    database.close()
    database.close()


def test_a_file_that_was_emptied_beside_its_journal_is_kept_with_it(tmp_path: Path) -> None:
    """SQLite takes an empty file for a new one and throws the journal away."""
    path = tmp_path / "a.sqlite"
    database = Database(path, ONE)
    with database.transaction() as connection:
        connection.execute("INSERT INTO one VALUES (7)")
    wal = path.with_name("a.sqlite-wal").read_bytes()
    assert wal
    database.close()
    path.write_bytes(b"")
    path.with_name("a.sqlite-wal").write_bytes(wal)
    Database(path, ONE).close()
    (kept,) = tmp_path.glob("a.damaged-*.sqlite")
    assert kept.with_name(f"{kept.name}-wal").read_bytes() == wal


def add(database: Database, number: int) -> None:
    with database.transaction() as connection:
        connection.execute("INSERT INTO one VALUES (?)", (number,))


def rows(database: Database) -> list[int]:
    with database.reading() as connection:
        return [row[0] for row in connection.execute("SELECT a FROM one ORDER BY a")]


def found(path: Path) -> list[int]:
    """What another program finds under the name."""
    with closing(sqlite3.connect(path)) as connection:
        return [row[0] for row in connection.execute("SELECT a FROM one ORDER BY a")]


@pytest.mark.parametrize("always", [False, True], ids=["once", "at every look"])
def test_a_disk_that_numbers_its_files_anew_does_not_stop_anything(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, always: bool
) -> None:
    path = tmp_path / "a.sqlite"
    real, numbers, mounted = shared_database._identity, count(), [0]

    def renumbered(path: Path) -> tuple[int, int] | None:
        identity = real(path)
        return identity and (identity[0], identity[1] + mounted[0] + (next(numbers) if always else 0))

    monkeypatch.setattr(shared_database, "_identity", renumbered)
    with closing(Database(path, ONE)) as database:
        for number in range(6):
            mounted[0] += 1_000_000 if number % 2 else 0
            add(database, number)
            assert rows(database) == list(range(number + 1))
    assert found(path) == list(range(6))


def test_a_copy_that_lacks_nothing_is_as_good_as_the_file(tmp_path: Path) -> None:
    path, copy = tmp_path / "a.sqlite", tmp_path / "copy"
    with closing(Database(path, ONE)) as database:
        add(database, 1)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(path, copy)
        copy.replace(path)
        add(database, 2)
        assert found(path) == rows(database) == [1, 2]


def test_an_older_copy_is_not_taken_for_the_file_and_gets_nothing_of_its_journal(tmp_path: Path) -> None:
    path, real, older = tmp_path / "a.sqlite", tmp_path / "real", tmp_path / "older"
    with closing(Database(path, ONE)) as database:
        add(database, 1)
        with closing(sqlite3.connect(path)) as other:
            other.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        shutil.copy(path, older)
        add(database, 2)  # in the journal, which stays under its name
        path.rename(real)
        older.rename(path)
        for _ in range(2):
            with failing(Unavailable, "database_replaced"):
                add(database, 3)
            with failing(Unavailable, "database_replaced"):
                rows(database)
        assert found(path) == [1]
        real.replace(path)
        add(database, 3)
        assert rows(database) == [1, 2, 3]
    assert found(path) == [1, 2, 3]


def test_all_connections_together_keep_little_of_their_pages(tmp_path: Path) -> None:
    """A page's process takes some 60 MB: what grows over thousands of pictures must stay within 1 % of that."""
    with (
        closing(Database(tmp_path / "jobs.sqlite", schema.SCHEMA)) as jobs,
        closing(History(tmp_path / "history.sqlite", tmp_path, tmp_path / "marks.sqlite")) as history,
        jobs.reading() as reader,
    ):
        index_of = [history._database, history._reader]
        kept = [int(one.execute("PRAGMA main.cache_size").fetchone()[0]) for one in (*index_of, reader)]
        kept += [int(one.execute("PRAGMA marks.cache_size").fetchone()[0]) for one in index_of]
    assert all(-256 <= kilobytes < 0 for kilobytes in kept), kept  # negative: kB, not pages
