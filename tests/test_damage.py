"""Each of the five databases, damaged in each way: the program goes on, keeps the file, and has what can be had."""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import date
from itertools import count
from pathlib import Path

import pytest

from pipelines.database import opened
from pipelines.errors import StorageError, Unavailable
from pipelines.models.files.hashes import Hashes
from pipelines.shared_database import Database
from pipelines.types import GenerationRequest
from tests.archive.helpers import results
from tests.refusals import failing
from webui.archive import marks
from webui.archive.history import History
from webui.archive.search import Query
from webui.archive.store import ImageStore
from webui.archive.thumbnails import Thumbnails
from webui.jobs.schema import SCHEMA
from webui.jobs.table import JobTable

pytestmark = pytest.mark.lengthy

JOBS = 400
STARS = 3_000
LONG = "a red star " * 60


def garbage(path: Path) -> None:
    path.write_bytes(b"garbage " * 4_000)


def half(path: Path) -> None:
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def folder(path: Path) -> None:
    path.unlink()
    path.mkdir()
    (path / "something").write_text("of a person")


def middle(path: Path) -> None:
    """It is opened as before; what stands in the middle is nonsense."""
    data = bytearray(path.read_bytes())
    page = 4096
    begin, end = (len(data) * 2 // 5) // page * page, (len(data) * 3 // 5) // page * page
    assert begin >= page
    data[begin:end] = b"\xaa" * (end - begin)
    path.write_bytes(data)


DAMAGES: tuple[Callable[[Path], None], ...] = (garbage, half, folder, middle)
each = pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)


def asides(path: Path) -> list[str]:
    """What was set aside, but for the part of a file that SQLite keeps apart."""
    return [one.name for one in path.parent.glob(f"{path.stem}.damaged-*") if not one.name.endswith("-wal")]


def is_aside(path: Path) -> bool:
    return asides(path) == [f"{path.stem}.damaged-{date.today().isoformat()}{path.suffix}"]


def in_time(act: Callable[[], object]) -> None:
    """As the queue does: what may work later is tried again."""
    for _ in range(5):
        try:
            act()
        except Unavailable as error:
            if error.note.code != "database_renewed":
                raise
        else:
            return
    raise AssertionError("it never works")


# -- jobs -----------------------------------------------------------------------------------------------------------


def queue(path: Path) -> list[tuple[str, str]]:
    with closing(Database(path, SCHEMA)) as database:
        table = JobTable(database)
        jobs = table.add_many([("generate", {"prompt": f"{number} {LONG}"}, 1) for number in range(JOBS)])
        table.add_image(jobs[0].id, 0, {"path": "a.png"})
        return [(job.id, job.payload["prompt"]) for job in jobs]


@each
def test_a_damaged_queue_keeps_the_jobs_that_can_be_read(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path = tmp_path / "jobs.sqlite"
    asked = queue(path)
    damage(path)
    with closing(Database(path, SCHEMA)) as database:
        table = JobTable(database)
        in_time(table.unfinished)
        in_time(lambda: table.add("generate", {"prompt": "new"}, 1))
        rows = table.unfinished()
        left = [(job.id, job.payload["prompt"]) for job in rows if job.payload]
        assert len(rows) - len(left) <= 1  # the one at the border, which is told when it runs
        assert left.pop()[1] == "new"
    assert [one for one in asked if one in left] == left  # in order, and as they were
    assert is_aside(path)
    if damage is middle:  # 20 % of it are nonsense
        assert JOBS * 0.6 < len(left) < JOBS
        assert {left[0], left[-1]} == {asked[0], asked[-1]}  # both ends
    elif damage is half:
        assert JOBS * 0.3 < len(left) < JOBS


def test_a_queue_damaged_while_it_is_used_goes_on(tmp_path: Path) -> None:
    path = tmp_path / "jobs.sqlite"
    asked = queue(path)
    with closing(Database(path, SCHEMA)) as database:
        table = JobTable(database)
        assert table.get(asked[0][0])
        with database.transaction() as connection:
            connection.execute("PRAGMA shrink_memory")
        middle(path)
        in_time(table.unfinished)
        assert len(table.unfinished()) > JOBS * 0.6
        in_time(lambda: table.add("generate", {"prompt": "new"}, 1))
    assert is_aside(path)


def dying(act: Callable[..., object], steps: Iterator[int], last: int) -> Callable[..., object]:
    def step(*arguments: object, **named: object) -> object:
        if next(steps) == last:
            raise KeyboardInterrupt
        return act(*arguments, **named)

    return step


def test_a_kill_at_each_step_of_a_renewal_costs_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever names the files have by then, the next start finds the rows again."""
    done = 0
    while True:
        done += 1
        path = tmp_path / str(done) / "jobs.sqlite"
        asked = queue(path)
        path.with_name("jobs.sqlite-wal").write_bytes(b"")
        with closing(sqlite3.connect(path)) as connection:
            connection.execute("PRAGMA user_version = 0")  # the rows are all there
        steps = count(1)
        for name in ("rename", "unlink"):
            monkeypatch.setattr(Path, name, dying(getattr(Path, name), steps, done))
        try:
            opened(path, SCHEMA).close()
            killed = False
        except KeyboardInterrupt:
            killed = True
        monkeypatch.undo()
        with closing(Database(path, SCHEMA)) as database:
            assert [job.id for job in JobTable(database).unfinished()] == [job_id for job_id, _ in asked]
        if not killed:
            break
    assert done > 5


# -- stars and tags -------------------------------------------------------------------------------------------------


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "outputs"
    archive = ImageStore(root)
    for number in range(12):
        request = GenerationRequest(prompt=f"{number} {LONG}", seed=number, steps=1, width=64, height=64)
        archive.save(results(request)[0])
    return root


def star(path: Path) -> None:
    marks.prepare(path)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany("INSERT INTO ratings VALUES (?, 3)", [(f"p:{n:032x}",) for n in range(STARS)])


@each
def test_damaged_stars_are_kept_as_far_as_they_can_be_read(
    tmp_path: Path, root: Path, damage: Callable[[Path], None]
) -> None:
    kept = tmp_path / "data" / "marks.sqlite"
    kept.parent.mkdir()
    star(kept)
    damage(kept)
    with closing(History(tmp_path / "data" / "history.sqlite", root, kept)) as history:
        history.refresh()
        settled(history)
        identity = history.recent(1)[0].id
        eventually(lambda: history.rate([identity], 5))
        eventually(lambda: history.search(Query(rating=1), 9))
        assert [entry.rating for entry in history.search(Query(rating=1), 9).entries] == [5]
    assert is_aside(kept)
    with closing(sqlite3.connect(kept)) as connection:
        left = {mark for (mark,) in connection.execute("SELECT mark FROM ratings WHERE rating = 3")}
    assert left <= {f"p:{n:032x}" for n in range(STARS)}
    if damage is middle:
        assert {f"p:{0:032x}", f"p:{STARS - 1:032x}"} <= left
    assert (len(left) > STARS * 0.3) is (damage in (half, middle))


# -- the index ------------------------------------------------------------------------------------------------------


def eventually(act: Callable[[], object]) -> None:
    """A person who sees a sentence tries again."""
    for _ in range(5):
        try:
            act()
        except StorageError as error:
            if error.note.code != "index_damaged":
                raise
        else:
            return
    raise AssertionError("it never works")


def settled(history: History) -> None:
    """Until what is made anew in the background is done."""
    if history._filler is not None:
        history._filler.join(timeout=60)
        assert not history._filler.is_alive()


def looked(history: History) -> set[str]:
    history.facets()
    return {entry.saved.prompt[:2].strip() for entry in history.search(Query(), 99).entries}


@each
@pytest.mark.parametrize("running", [False, True])
def test_a_damaged_index_is_made_again_from_the_files(
    tmp_path: Path, root: Path, damage: Callable[[Path], None], running: bool
) -> None:
    path = tmp_path / "data" / "history.sqlite"
    history = History(path, root)
    history.refresh()
    assert looked(history) == {str(number) for number in range(12)}
    if running and damage is folder:
        history.close()
        pytest.skip("an open file cannot become a folder")
    if not running:
        history.close()
    else:
        for connection in (history._database, history._reader):
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
            connection.execute("PRAGMA shrink_memory")
    damage(path)
    if not running:
        history = History(path, root)
    with closing(history):
        eventually(lambda: looked(history))
        eventually(history.refresh)
        settled(history)
        eventually(lambda: looked(history))
        assert looked(history) == {str(number) for number in range(12)}
        history.add(history.recent(1)[0])
    assert is_aside(path)


def test_a_row_of_nonsense_is_damage_too(tmp_path: Path, root: Path) -> None:
    with closing(History(tmp_path / "data" / "history.sqlite", root)) as history:
        history.refresh()
        history._database.execute("UPDATE images SET made_at = 'nonsense', problem = '{'")
        with failing(StorageError, "index_damaged"):
            looked(history)
        settled(history)
        assert len(looked(history)) == 12


# -- what can be made again ----------------------------------------------------------------------------------------


@each
@pytest.mark.parametrize("running", [False, True])
def test_damaged_thumbnails_are_drawn_again(
    tmp_path: Path, root: Path, damage: Callable[[Path], None], running: bool
) -> None:
    path = tmp_path / "data" / "thumbs.sqlite"
    files = sorted(root.rglob("*.png"))
    thumbnails = Thumbnails(path)
    before = [thumbnails.get(file) for file in files]
    if running and damage is folder:
        thumbnails.close()
        pytest.skip("an open file cannot become a folder")
    if running:
        thumbnails._database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        thumbnails._database.execute("PRAGMA shrink_memory")
    else:
        thumbnails.close()
    damage(path)
    if not running:
        thumbnails = Thumbnails(path)
    with closing(thumbnails):
        for _ in range(2):
            assert [thumbnails.get(file) for file in files] == before
        kept = thumbnails._database.execute("SELECT count(*) FROM thumbs").fetchone()[0]
    assert kept == len(files)
    assert is_aside(path) or damage is middle  # where nothing lies that is read, nothing is noticed


@each
def test_damaged_hashes_are_computed_again(tmp_path: Path, damage: Callable[[Path], None]) -> None:
    path, model = tmp_path / "data" / "hashes.sqlite", tmp_path / "model"
    model.write_bytes(b"weights")
    with closing(hashed(path, model)) as first:
        sha256 = first.get(model)
    with closing(sqlite3.connect(path)) as connection, connection:
        connection.executemany(
            "INSERT INTO hashes (path, bytes, changed, sha256) VALUES (?, 1, 1, ?)",
            [(str(n), "0" * 64) for n in range(2_000)],
        )
    damage(path)
    for _ in range(2):
        with closing(hashed(path, model)) as again:
            assert again.get(model) == sha256
    assert is_aside(path)
    with closing(sqlite3.connect(path)) as connection:
        assert connection.execute("SELECT sha256 FROM hashes WHERE path = ?", (str(model),)).fetchone() == (sha256,)


def hashed(path: Path, model: Path) -> Hashes:
    found = Hashes(path)
    assert found.wait(model, timeout=60)
    return found


def test_of_what_can_be_made_again_one_damaged_file_is_kept(tmp_path: Path) -> None:
    path = tmp_path / "thumbs.sqlite"
    for _ in range(3):
        garbage(path)
        Thumbnails(path).close()
    assert is_aside(path)
    queued = tmp_path / "jobs.sqlite"
    for _ in range(3):
        garbage(queued)
        Database(queued, SCHEMA).close()
    day = date.today().isoformat()
    assert sorted(asides(queued)) == [f"jobs.damaged-{day}{end}.sqlite" for end in ("-2", "-3", "")]
