"""A second program's queue goes on when it has ended: each job is run once, wherever the program is killed."""

from __future__ import annotations

import gc
import json
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from itertools import count
from pathlib import Path
from urllib.request import Request, urlopen

import pytest

from pipelines.engines.fake import FakeEngine
from pipelines.errors import Note
from pipelines.shared_database import Database
from tests.archive.helpers import results
from tests.conftest import RunningApp, started
from tests.jobs.test_service import request
from tests.jobs.test_shelf import settings_for
from tests.test_damage import middle
from webui import instances
from webui.archive.metadata import Job
from webui.archive.store import ImageStore
from webui.instances import LEAVING, claimed, take_over
from webui.jobs.schema import SCHEMA
from webui.jobs.table import JobTable
from webui.kept.forms import Forms
from webui.lab.store import LabTable
from webui.parts import build_parts
from webui.words import say

pytestmark = pytest.mark.lengthy

FINISHED = "3"


def ask(folder: Path, *names: str) -> None:
    """A queue whose first job runs, with one of its two pictures made, and whose job FINISHED is done."""
    folder.mkdir(parents=True, exist_ok=True)
    with closing(Database(folder / "jobs.sqlite", SCHEMA)) as database:
        table = JobTable(database)
        jobs = {name: table.add("generate", {"name": name, "model": "builtin"}, 2) for name in names}
        first = table.take()
        assert first is not None
        table.add_image(first.id, 0, {"path": f"{first.payload['name']}.png"})
        table.advance(first.id, 1)
        if FINISHED in jobs:
            table.finish(jobs[FINISHED].id, "done")
        lab = LabTable(database)
        lab.add(f"experiment {names[0]}", json.dumps({}), 3)
        for name in names:
            Forms(database, clock=lambda name=name: 100.0 * int(name)).keep("txt2img", {"prompt": name})
    (folder / "waiting").mkdir()
    (folder / "waiting" / f"{first.id}-1.png").write_bytes(names[0].encode())


def waiting(folder: Path) -> list[tuple[str, int, int]]:
    """Name, pictures known, next batch: of what is to be run there, in order."""
    path = folder / "jobs.sqlite"
    if not path.exists():
        return []
    with closing(Database(path, SCHEMA)) as database:
        table = JobTable(database)
        return [(job.payload["name"], len(table.images(job.id)), job.next_batch) for job in table.unfinished()]


def start(data_dir: Path) -> None:
    with closing(Database(data_dir / "jobs.sqlite", SCHEMA)) as database:
        take_over(data_dir, database)


ALL = [("1", 1, 1), ("5", 0, 0), ("2", 1, 1), ("4", 0, 0), ("6", 1, 1)]


@pytest.fixture
def data_dir(tmp_path: Path) -> Path:
    three_queues(tmp_path)
    return tmp_path


def three_queues(data_dir: Path) -> None:
    ask(data_dir, "1", "5")
    ask(data_dir / "instance-2", "2", "3", "4")
    ask(data_dir / "instance-10", "6")


def check_all(data_dir: Path) -> None:
    assert waiting(data_dir) == ALL
    assert waiting(data_dir / "instance-2") == waiting(data_dir / "instance-10") == []
    assert sorted(file.read_bytes() for file in (data_dir / "waiting").iterdir()) == [b"1", b"2", b"6"]
    with closing(Database(data_dir / "jobs.sqlite", SCHEMA)) as database:
        names = [row.name for row in LabTable(database).recent(9)]
        assert sorted(names) == ["experiment 1", "experiment 2", "experiment 6"]
        with database.reading() as connection:
            assert connection.execute("SELECT count(*) FROM jobs WHERE state = 'done'").fetchone()[0] == 1
            assert connection.execute("SELECT count(*) FROM experiment_cells").fetchone()[0] == 9
            assert connection.execute("SELECT count(*) FROM model_uses").fetchone()[0] == 1
            forms = [json.loads(fields)["prompt"] for (fields,) in connection.execute("SELECT fields FROM forms")]
            assert forms == [*"123456"]  # one after the other as they were kept, in whichever program


@pytest.mark.fault(35)
def test_what_ended_programs_left_goes_on_behind_the_first_ones(data_dir: Path) -> None:
    start(data_dir)
    check_all(data_dir)
    start(data_dir)
    check_all(data_dir)


def test_what_runs_elsewhere_is_left_alone(data_dir: Path) -> None:
    with claimed(data_dir) as first, claimed(data_dir) as second:
        assert second == data_dir / "instance-2"
        start(first)
        assert waiting(data_dir) == [("1", 1, 1), ("5", 0, 0), ("6", 1, 1)]
        assert waiting(second) == [("2", 1, 1), ("4", 0, 0)]
    start(data_dir)
    assert {name for name, _, _ in waiting(data_dir)} == set("12456")


class Killed(BaseException):
    pass


def stepping(act: Callable[..., object], steps: Iterator[int], last: int) -> Callable[..., object]:
    """Dies before its work at one step, after it at the next."""

    def step(*arguments: object, **named: object) -> object:
        if next(steps) == last:
            raise Killed
        value = act(*arguments, **named)
        if next(steps) == last:
            raise Killed
        return value

    return step


@pytest.mark.fault(9, 35)
@pytest.mark.lengthy
@pytest.mark.filterwarnings("ignore::ResourceWarning", "ignore::pytest.PytestUnraisableExceptionWarning")
def test_a_kill_at_any_moment_loses_and_doubles_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And whoever starts first then, as a first program or as a second one in the folder that is being left."""
    for last in count(1):
        data_dir = tmp_path / str(last)
        three_queues(data_dir)
        steps = count(1)
        for name in ("rename", "replace", "unlink", "mkdir"):
            monkeypatch.setattr(Path, name, stepping(getattr(Path, name), steps, last))
        for name in ("_rows", "_copy", "_take"):
            act = stepping(getattr(instances, name), steps, last)
            monkeypatch.setattr(instances, name, act)
            monkeypatch.setattr(
                instances,
                "_COPIES",
                {table: act if copy.__name__ == name else copy for table, copy in instances._COPIES.items()},
            )
        killed = False
        try:
            start(data_dir)
        except Killed:
            killed = True
        monkeypatch.undo()
        gc.collect()  # the dead have no file open
        # at no moment is a job where two would run it
        run = [name for one in ("", "instance-2", "instance-10") for name, _, _ in waiting(data_dir / one)]
        assert len(run) == len(set(run))
        with claimed(data_dir / "nothing"):  # as another first program would
            start(data_dir)
        check_all(data_dir)
        if not killed:
            break
    assert last > 40


def test_a_damaged_queue_is_taken_over_as_far_as_it_can_be_read(tmp_path: Path) -> None:
    ask(tmp_path / "instance-2", *(str(number) for number in range(2, 200)))
    with closing(sqlite3.connect(tmp_path / "instance-2" / "jobs.sqlite")) as connection:
        connection.execute("DELETE FROM forms")
        connection.commit()
        connection.execute("VACUUM")
    middle(tmp_path / "instance-2" / "jobs.sqlite")
    start(tmp_path)
    names = [int(name) for name, _, _ in waiting(tmp_path)]
    assert names == sorted(names)
    assert len(names) > 60
    assert list((tmp_path / "instance-2").glob("*.damaged-*"))


def test_a_queue_of_a_newer_version_stays(data_dir: Path) -> None:
    other = data_dir / "instance-2" / "jobs.sqlite"
    with closing(sqlite3.connect(other)) as connection:
        connection.execute(f"PRAGMA user_version = {SCHEMA.version + 1}")
    start(data_dir)
    assert waiting(data_dir) == [("1", 1, 1), ("5", 0, 0), ("6", 1, 1)]
    assert other.exists()
    assert not other.with_name(LEAVING).exists()


def test_the_pictures_that_a_second_program_was_asked_for_are_made_once(tmp_path: Path) -> None:
    settings = settings_for(tmp_path)
    store = ImageStore(settings.output_dir)
    store.prepare()
    with claimed(settings.data_dir) as first, claimed(settings.data_dir) as second:
        with build_parts(settings, FakeEngine(), second) as parts:
            assert [one.note for one in parts.notices()] == [Note("second_program", folder=str(first))]
            jobs = parts.service.submit_many([request(seed=seed, batch_size=2) for seed in (10, 20, 30)])
        # the first picture of the first job was finished, and could not be saved
        made = results(request(seed=10, batch_size=2))[0]
        (second / "waiting").mkdir()
        file = store.encoded(made, Job(jobs[0], 0))
        (second / "waiting" / f"{jobs[0]}-0{file.suffix}").write_bytes(file.data)
    with claimed(settings.data_dir) as first, build_parts(settings, FakeEngine(), first) as parts:
        assert parts.notices() == ()
        parts.service.start()
        for job in jobs:
            status = parts.service.status(job)
            while status is not None and not status.finished:
                status = parts.service.wait(job, status.version, 5)
            assert status is not None
            assert status.state == "done"
            assert len([saved for saved in status.saved if saved.kind == "image"]) == 2
        saved = [one.seed for one in parts.history.recent(99) if one.kind == "image"]
    assert sorted(saved) == [10, 11, 20, 21, 30, 31]
    assert not list((settings.data_dir / "waiting").iterdir())


def notices_of(app: RunningApp) -> list[str]:
    asked = Request(f"{app.url}queue", headers=app.cookie)
    with urlopen(asked, timeout=30) as answer:
        return [one["text"] for one in json.load(answer)["notices"]]


@pytest.mark.fault(35)
def test_two_real_programs_on_one_data_folder(tmp_path: Path) -> None:
    """The second says that it is one, where it was started and on its page; the first says nothing."""
    told = say(Note("second_program", folder=str(tmp_path / "data")), "en")
    with ExitStack() as stack:
        first, second = (started(("--engine", "fake"), tmp_path) for _ in range(2))
        stack.callback(first.end)
        stack.callback(second.end)
        assert told in second.lines
        assert told not in first.lines
        assert notices_of(second) == [told]
        assert notices_of(first) == []
        assert first.port != second.port
    third = started(("--engine", "fake"), tmp_path)
    with ExitStack() as stack:
        stack.callback(third.end)
        assert notices_of(third) == []  # it is the first again
