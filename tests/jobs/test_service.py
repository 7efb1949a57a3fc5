import random
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.engine import Engine
from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest, Note, NotFinite, StorageError
from pipelines.groups import InitImage, Inpaint
from pipelines.shared_database import Database
from pipelines.types import Batch, GenerationRequest, GenerationResult, ModelInfo, OnProgress, Progress
from tests.archive.helpers import Open
from tests.refusals import refused
from webui.archive import metadata, pictures
from webui.archive.history import History
from webui.archive.metadata import Job
from webui.archive.store import ImageStore, SavedImage
from webui.jobs.kinds import House
from webui.jobs.schema import SCHEMA
from webui.jobs.service import AGAIN_LIMIT, GenerationService
from webui.jobs.status import JobStatus
from webui.jobs.table import JobTable
from webui.proof.remade import Remade
from webui.proof.sweep import compare

PATIENCE = 60.0  # seconds that a wait may take on a busy machine
SMALL = {"width": 64, "height": 64, "steps": 2}


def request(**fields: object) -> GenerationRequest:
    return GenerationRequest(**{"prompt": "a red star", **SMALL, **fields})


class Harness:
    """A service over one folder; `crash` leaves it as a killed program would."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.services: list[GenerationService] = []
        self.waiting = folder / "waiting"
        self.prepares = True

    def start(self, engine: Engine | None = None, *, run: bool = True) -> GenerationService:
        store = ImageStore(self.folder / "outputs")
        if self.prepares:
            store.prepare()
        jobs = JobTable(Database(self.folder / "jobs.sqlite3", SCHEMA))
        history = History(self.folder / "history.sqlite3", store.root)
        service = GenerationService(
            engine or FakeEngine(),
            House(
                store=store,
                jobs=jobs,
                history=history,
                remade=Remade(self.folder / "remade"),
                waiting=self.waiting,
            ),
            rng=random.Random(0),
        )
        if run:
            service.start()
            self.services.append(service)
        return service

    def pictures(self) -> list[Path]:
        return sorted(path for path in (self.folder / "outputs").glob("*/*/[0-9]*.png"))


@pytest.fixture
def harness(tmp_path: Path) -> Iterator[Harness]:
    made = Harness(tmp_path)
    yield made
    for service in made.services:
        service.close()


def until(service: GenerationService, job_id: str, met: Callable[[JobStatus], bool], seconds: float = 20) -> JobStatus:
    """Follows the job by `wait`, as a page does, until the condition is met."""
    end = time.monotonic() + seconds
    version = -1
    while time.monotonic() < end:
        status = service.wait(job_id, version, 0.5)
        assert status is not None
        if met(status):
            return status
        version = status.version
    pytest.fail(f"still {status.state} after {seconds} s")


def done(service: GenerationService, job_id: str) -> JobStatus:
    return until(service, job_id, lambda status: status.finished)


def test_a_run_saves_every_image_and_a_grid(harness: Harness) -> None:
    service = harness.start()
    status = done(service, service.submit(request(seed=7, batch_size=2, batches=2)))
    assert status.state == "done"
    assert [saved.seed for saved in status.saved] == [7, 8, 9, 10]
    assert status.grid is not None
    assert status.grid.path.name.startswith("grid-")
    assert len(harness.pictures()) == 4


def test_the_newest_images_come_first_and_files_copied_in_are_found(harness: Harness) -> None:
    service = harness.start()
    for seed in (1, 2):
        done(service, service.submit(request(seed=seed)))
    assert [saved.seed for saved in service.recent(5)] == [2, 1]
    service.close()
    harness.services.clear()
    copied = harness.pictures()[0]
    copied.with_name("by_hand.png").write_bytes(copied.read_bytes())
    service = harness.start()
    end = time.monotonic() + 10
    while len(service.recent(5)) < 3 and time.monotonic() < end:
        time.sleep(0.01)
    assert len(service.recent(5)) == 3


def test_a_grid_is_drawn_with_one_picture_open_at_a_time(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    seen, read = Open(), pictures.read
    monkeypatch.setattr(pictures, "read", lambda path: seen.tell(read(path)))
    service = harness.start()
    status = done(service, service.submit(request(batches=9)))
    assert status.grid is not None
    assert (status.grid.width, status.grid.height) == (192, 192)
    assert seen.told >= 9
    assert seen.most <= 2  # the first one also gives the grid its settings


def test_one_image_has_no_grid(harness: Harness) -> None:
    service = harness.start()
    assert done(service, service.submit(request(seed=7))).grid is None


def test_an_empty_seed_is_drawn_when_the_job_is_made(harness: Harness) -> None:
    service = harness.start()
    status = done(service, service.submit(request()))
    record = metadata.read(status.saved[0].path).record
    assert record is not None
    assert record.request(ImageStore(harness.folder / "outputs").inputs).seed == status.saved[0].seed


def test_each_image_is_on_disk_before_the_next_batch_begins(harness: Harness) -> None:
    seen: list[int] = []

    class Watching(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            end = time.monotonic() + 5
            while len(harness.pictures()) < len(seen) and time.monotonic() < end:
                time.sleep(0.005)  # the writer thread has its own pace
            seen.append(len(harness.pictures()))
            return super().generate(batch, on_progress)

    service = harness.start(Watching())
    done(service, service.submit(request(batches=3)))
    assert seen == [0, 1, 2]


def test_images_before_a_failure_stay_and_the_next_job_runs(harness: Harness) -> None:
    service = harness.start(FakeEngine(fail_on={9: NotFinite("nan")}))
    failed = done(service, service.submit(request(seed=7, batches=4)))
    assert (failed.state, failed.error) == ("failed", Note("nan"))
    assert [saved.seed for saved in failed.saved] == [7, 8]
    assert done(service, service.submit(request(seed=1))).state == "done"


def test_a_bug_ends_the_job_and_not_the_queue(harness: Harness, caplog: pytest.LogCaptureFixture) -> None:
    service = harness.start(FakeEngine(fail_on={7: ZeroDivisionError("oops")}))
    failed = done(service, service.submit(request(seed=7)))
    assert failed.state == "failed"
    assert "oops" in caplog.text  # the traceback is kept
    assert done(service, service.submit(request(seed=8))).state == "done"


def test_cancel_stops_within_a_step_and_keeps_what_is_finished(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.02))
    job_id = service.submit(request(seed=7, batches=50, steps=5))
    until(service, job_id, lambda status: status.image >= 2)
    service.cancel(job_id)
    status = done(service, job_id)
    assert status.state == "cancelled"
    assert 2 <= len(status.saved) < 50
    assert len(harness.pictures()) == len(status.saved)
    assert done(service, service.submit(request(seed=1))).state == "done"


def test_skip_gives_up_one_batch_and_goes_on(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    job_id = service.submit(request(seed=7, batches=2, steps=150))
    until(service, job_id, lambda status: status.step > 1)
    service.skip(job_id)
    status = done(service, job_id)
    assert status.state == "done"
    assert [saved.seed for saved in status.saved] == [8]


def test_a_waiting_job_can_be_cancelled(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.02))
    first = service.submit(request(steps=100))
    second = service.submit(request())
    status = service.status(second)
    assert status is not None
    assert (status.state, status.queue_position) == ("queued", 1)
    service.cancel(second)
    status = service.status(second)
    assert status is not None
    assert status.state == "cancelled"
    service.cancel(first)
    assert done(service, first).state == "cancelled"


def test_progress_preview_and_eta_reach_the_page(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.02))
    job_id = service.submit(request(steps=40, batches=2))
    status = until(service, job_id, lambda status: status.preview is not None and status.eta_seconds is not None)
    assert status.steps == 40
    assert status.stage == "denoising"
    assert status.preview is not None
    assert status.preview.startswith(b"\xff\xd8")  # JPEG
    assert status.eta_seconds is not None
    assert status.eta_seconds > 0
    service.cancel(job_id)


SLOW = Note("slow_step", seconds=8.0, usual=2.0)


def test_what_an_engine_warns_of_stays_with_the_job(harness: Harness) -> None:
    class Slow(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            if batch.request.prompt == "slow":
                on_progress(Progress(stage="denoising", step=1, steps=2, warning=SLOW))
            return super().generate(batch, on_progress)

    service = harness.start(Slow())
    warned, quiet = service.submit(request(prompt="slow")), service.submit(request())
    assert done(service, warned).warning == SLOW
    assert done(service, quiet).warning is None


def test_closing_puts_the_run_back_and_the_next_start_finishes_it(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    job_id = service.submit(request(seed=7, batch_size=2, batches=4, steps=10))
    waiting = service.submit(request(seed=100))
    until(service, job_id, lambda status: status.image >= 2)
    service.close()
    harness.services.clear()

    again = harness.start()
    status = done(again, job_id)
    assert [saved.seed for saved in status.saved] == list(range(7, 15))
    assert done(again, waiting).state == "done"
    assert len(harness.pictures()) == 9  # nothing twice, nothing lost


@pytest.mark.fault(9)
def test_a_killed_run_goes_on_and_saves_no_image_twice(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The program dies between the two images of a batch: the batch is made again, and only what is missing is kept."""
    dying, dead, save = threading.Event(), threading.Event(), ImageStore.save

    def saving(self: ImageStore, result: GenerationResult, job: Job | None = None) -> SavedImage:
        if result.request.seed == 8 and not dying.is_set():
            dying.set()
            dead.wait(PATIENCE)
            raise StorageError("folder_gone", folder="x")
        return save(self, result, job)

    monkeypatch.setattr(ImageStore, "save", saving)
    job_id = harness.start().submit(request(seed=7, batch_size=2, batches=2))
    assert dying.wait(PATIENCE)
    (first,) = harness.pictures()

    try:
        engine = FakeEngine()
        status = done(harness.start(engine), job_id)
        assert (status.state, status.image) == ("done", 4)
        assert [saved.seed for saved in status.saved] == [7, 8, 9, 10]
        assert status.saved[0].path == first
        assert [batch.seeds for batch in engine.batches] == [(7, 8), (9, 10)]
        assert len(harness.pictures()) == 4
    finally:
        dead.set()


def test_a_resumed_run_makes_no_batch_again_that_is_finished(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    job_id = service.submit(request(seed=7, batches=4, steps=10))
    until(service, job_id, lambda status: status.image >= 2)
    service.close()
    harness.services.clear()
    finished = [metadata.read(path).fields["seed"] for path in harness.pictures()]
    engine = FakeEngine()
    again = harness.start(engine)
    done(again, job_id)
    assert finished[:2] == [7, 8]
    assert [batch.seeds[0] for batch in engine.batches] == [seed for seed in range(7, 11) if seed not in finished]


def test_a_run_killed_after_its_grid_has_one_grid(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    dying, dead, finish = threading.Event(), threading.Event(), JobTable.finish

    def finishing(self: JobTable, *given: Any, **named: Any) -> None:
        if not dying.is_set():
            dying.set()
            dead.wait(PATIENCE)
            return
        finish(self, *given, **named)

    monkeypatch.setattr(JobTable, "finish", finishing)
    job_id = harness.start().submit(request(seed=7, batches=2))
    assert dying.wait(PATIENCE)
    try:
        status = done(harness.start(), job_id)
        assert status.state == "done"
        assert status.grid is not None
        assert len(list((harness.folder / "outputs").glob("*/*/grid-*"))) == 1
    finally:
        dead.set()


def test_a_grid_leaves_out_pictures_that_were_deleted_meanwhile(harness: Harness) -> None:
    class Deleting(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            if batch.seeds[0] == 9:
                until(service, job_id, lambda status: len(status.saved) == 2)
                harness.pictures()[0].unlink()
            return super().generate(batch, on_progress)

    service = harness.start(Deleting())
    job_id = service.submit(request(seed=7, batches=3))
    status = done(service, job_id)
    assert (status.state, status.error) == ("done", None)
    assert status.grid is not None
    assert (status.grid.width, status.grid.height) == (128, 64)


def test_stopping_another_job_leaves_the_running_one_alone(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.01))
    earlier = service.submit(request(seed=1))
    done(service, earlier)
    running = service.submit(request(seed=2, steps=20))
    until(service, running, lambda status: status.step >= 1)
    for job_id in (earlier, "no such job"):
        service.cancel(job_id)
        service.skip(job_id)
    status = done(service, running)
    assert (status.state, len(status.saved)) == ("done", 1)


def test_skipping_after_cancelling_is_cancelling(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.05))
    job_id = service.submit(request(batches=2, steps=20))
    until(service, job_id, lambda status: status.step >= 1)
    service.cancel(job_id)
    service.skip(job_id)
    status = done(service, job_id)
    assert (status.state, status.saved) == ("cancelled", ())


def test_a_skip_that_came_as_its_batch_ended_leaves_the_next_batch_alone(harness: Harness) -> None:
    class Late(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            made = super().generate(batch, on_progress)
            if batch.seeds[0] == 7:
                service.skip(job_id)  # after the last step, where nobody hears it any more
            return made

    service = harness.start(Late())
    job_id = service.submit(request(seed=7, batches=2))
    assert [saved.seed for saved in done(service, job_id).saved] == [7, 8]


def test_again_refuses_what_is_not_there_and_too_many(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    service = harness.start(run=False)
    with pytest.raises(InvalidRequest) as error:
        service.submit_again(harness.folder / "gone.png")
    assert error.value.field == "file"
    (harness.folder / "there.png").touch()
    most = [harness.folder / "there.png"] * AGAIN_LIMIT
    assert service.submit_again(*most)
    with pytest.raises(InvalidRequest) as error:
        service.submit_again(*most, most[0])
    assert error.value.field == "files"
    assert len(service.unfinished()) == 1


def test_a_full_disk_ends_the_run_before_its_last_batch(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer's failure is looked for between batches, so that a night's run does not compute for nothing."""
    failed = threading.Event()

    def full(self: ImageStore, result: GenerationResult, job: Job | None = None) -> SavedImage:
        failed.set()
        raise StorageError("full")

    class Waiting(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            if len(self.batches) == 1:
                assert failed.wait(PATIENCE)
                time.sleep(0.1)  # until the writer has told
            return super().generate(batch, on_progress)

    monkeypatch.setattr(ImageStore, "save", full)
    engine = Waiting()
    service = harness.start(engine)
    assert done(service, service.submit(request(batches=30))).state == "failed"
    assert len(engine.batches) < 30


def test_queued_img2img_and_inpaint_survive_with_their_pictures(harness: Harness) -> None:
    picture = Image.radial_gradient("L").resize((64, 64)).convert("RGB")
    mask = Image.new("L", (64, 64))
    mask.paste(255, (10, 10, 30, 30))
    wish = request(seed=3, init=InitImage(image=picture, strength=0.5), inpaint=Inpaint(mask=mask, mask_blur=2))
    job_id = harness.start(run=False).submit(wish)

    engine = FakeEngine()
    service = harness.start(engine)
    done(service, job_id)
    (batch,) = engine.batches
    assert batch.request.init is not None
    assert batch.request.init.image.tobytes() == picture.tobytes()
    assert batch.request.inpaint is not None
    assert batch.request.inpaint.mask.tobytes() == mask.tobytes()
    assert batch.request.inpaint.mask_blur == 2


def test_an_unknown_model_is_refused_before_the_queue(harness: Harness) -> None:
    service = harness.start()
    with pytest.raises(InvalidRequest, match=r"^model: .*builtin.*gone"):
        service.submit(request(model="gone"))
    assert service.unfinished() == []


@pytest.mark.parametrize("field", ["prompt", "negative_prompt"])
def test_a_lora_that_is_not_there_is_refused_and_never_left_out_in_silence(harness: Harness, field: str) -> None:
    with pytest.raises(InvalidRequest, match=rf"^{field}: .*'pixel'") as caught:
        harness.start().submit(request(**{field: "a cat <lora:pixel:0.8>"}))
    assert caught.value.field == field


def test_a_lora_that_the_engine_has_is_taken(harness: Harness) -> None:
    """What is there and what fits, the engine knows."""

    class WithLora(FakeEngine):
        def check(self, request: GenerationRequest) -> None:
            if "<lora:other:" in request.prompt:
                raise InvalidRequest("prompt", "lora_unfit", name="other", problem="no")

    engine = WithLora()
    service = harness.start(engine)
    assert done(service, service.submit(request(prompt="a cat <lora:pixel:0.8>"))).state == "done"
    assert engine.batches[0].request.prompt == "a cat <lora:pixel:0.8>"
    with refused("prompt", "lora_unfit", name="other"):
        service.submit_many([request(), request(prompt="<lora:other:1>")])
    assert service.unfinished() == []


def test_an_unreadable_model_is_refused_with_its_reason(harness: Harness) -> None:
    class Broken(FakeEngine):
        def models(self) -> tuple[ModelInfo, ...]:
            return (ModelInfo(name="bad", family="unknown", path="", problem=Note("file_empty")),)

    service = harness.start(Broken())
    with pytest.raises(InvalidRequest, match=r"^model: file_empty"):
        service.submit(request(model="bad"))


def test_a_full_disk_fails_the_job_with_the_sentence(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(self: ImageStore, result: GenerationResult, job: Job | None = None) -> None:
        raise StorageError("full")

    service = harness.start()
    monkeypatch.setattr(ImageStore, "save", full)
    failed = done(service, service.submit(request(batches=30)))
    assert (failed.state, failed.error) == ("failed", Note("full"))
    monkeypatch.undo()
    assert done(service, service.submit(request())).state == "done"


def test_again_is_identical_for_every_image_of_a_batch(harness: Harness) -> None:
    service = harness.start()
    status = done(service, service.submit(request(seed=2**32 - 1, batch_size=3)))
    for saved in status.saved:
        report = done(service, service.submit_again(saved.path)).again
        assert report is not None
        assert report.cannot is None
        assert report.identical, report
    assert len(harness.pictures()) == 3  # making again saves nothing


def test_again_repeats_the_batch_and_the_thread_count(harness: Harness) -> None:
    class Threads(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            results = super().generate(batch, on_progress)
            for result in results:
                dict.update(result.facts, threads=3)  # type: ignore[arg-type]
            return results

    engine = Threads()
    service = harness.start(engine)
    status = done(service, service.submit(request(seed=5, batch_size=4)))
    done(service, service.submit_again(status.saved[2].path))
    made, again = engine.batches
    assert again.seeds == made.seeds == (5, 6, 7, 8)
    assert (made.threads, again.threads) == (None, 3)


def test_again_counts_what_differs_and_names_the_fact(harness: Harness) -> None:
    class Other(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            results = super().generate(batch, on_progress)
            for result in results:
                first = result.image.getpixel((0, 0))
                result.image.putpixel((0, 0), (first[0] ^ 16, first[1], first[2]))
                dict.update(result.facts, dtype="float32")  # type: ignore[arg-type]
            return results

    made = harness.start()
    saved = done(made, made.submit(request(seed=5))).saved[0]
    made.close()
    harness.services.clear()
    other = harness.start(Other())
    report = done(other, other.submit_again(saved.path)).again
    assert report is not None
    assert (report.identical, report.different_pixels, report.max_difference) == (False, 1, 16)
    assert report.because == (Note("fact_changed", name="dtype", then=Note("nothing"), now="float32"),)


def test_again_says_when_the_file_was_edited(harness: Harness) -> None:
    service = harness.start()
    saved = done(service, service.submit(request(seed=5))).saved[0]
    with Image.open(saved.path) as image:
        text, pixels = dict(image.text), image.convert("RGB")
    pixels.putpixel((3, 3), (1, 2, 3))
    from PIL.PngImagePlugin import PngInfo

    info = PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    pixels.save(saved.path, pnginfo=info)
    report = done(service, service.submit_again(saved.path)).again
    assert report is not None
    assert report.different_pixels == 1
    assert report.because[0] == Note("pixels_changed")


def test_again_of_a_picture_without_settings_says_so(harness: Harness, tmp_path: Path) -> None:
    service = harness.start()
    Image.new("RGB", (64, 64)).save(tmp_path / "plain.png")
    report = done(service, service.submit_again(tmp_path / "plain.png")).again
    assert report is not None
    assert report.cannot == Note("no_settings")


def test_again_of_a_grid_says_so(harness: Harness) -> None:
    service = harness.start()
    grid = done(service, service.submit(request(seed=5, batches=2))).grid
    assert grid is not None
    report = done(service, service.submit_again(grid.path)).again
    assert report is not None
    assert report.cannot == Note("is_a_grid")


@pytest.mark.fault(5)
def test_too_little_space_refuses_before_the_run(harness: Harness, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ImageStore, "free_bytes", lambda self: 1000)
    with pytest.raises(StorageError, match="free"):
        harness.start().submit(request())


def test_wait_returns_when_something_changed_and_not_for_its_time_being_over(harness: Harness) -> None:
    """The engine stands still until the page waits: only the change itself can end a wait that has no end."""
    go = threading.Event()

    class Still(FakeEngine):
        def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
            go.wait(PATIENCE)
            return super().generate(batch, on_progress)

    service = harness.start(Still())
    job_id = service.submit(request())
    status = until(service, job_id, lambda status: status.state == "running")
    heard: list[JobStatus | None] = []
    page = threading.Thread(target=lambda: heard.append(service.wait(job_id, status.version, threading.TIMEOUT_MAX)))
    page.start()
    go.set()
    page.join(PATIENCE)
    assert not page.is_alive()
    assert heard[0] is not None
    assert heard[0].version > status.version


@pytest.mark.fault(16)
def test_many_pages_may_watch_one_job(harness: Harness) -> None:
    service = harness.start(FakeEngine(seconds_per_step=0.005))
    job_id = service.submit(request(steps=20, batches=2))
    states: list[str] = []
    threads = [threading.Thread(target=lambda: states.append(done(service, job_id).state)) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert states == ["done"] * 6


def test_progress_is_plain_data() -> None:
    with pytest.raises(AttributeError):
        Progress(stage="denoising").step = 3  # type: ignore[misc]


def test_a_selection_is_made_again_with_its_batches_together_and_what_differs_is_kept(harness: Harness) -> None:
    engine = FakeEngine()
    service = harness.start(engine)
    first = done(service, service.submit(request(seed=5, batch_size=2)))
    plain = harness.folder / "plain.png"
    Image.new("RGB", (8, 8)).save(plain)
    edited = first.saved[1].path
    with Image.open(edited) as image:
        text = dict(image.text)  # type: ignore[attr-defined]
        image = image.copy()
    image.putpixel((0, 0), (1, 2, 3))
    info = PngInfo()
    for key, value in text.items():
        info.add_itxt(key, value)
    image.save(edited, pnginfo=info)
    engine.batches.clear()
    job = service.submit_again(plain, *(saved.path for saved in first.saved))
    status = done(service, job)
    assert (status.state, status.images, status.image) == ("done", 3, 3)
    found = [(one.identical, one.cannot is None) for one in status.reports]
    assert found == [(False, False), (True, True), (False, True)]
    assert len(engine.batches) == 1
    kept = service.remade.find(job, 2, "now")
    assert kept is not None
    with Image.open(kept) as now, Image.open(kept.with_name("difference.png")) as difference:
        assert compare(image, now).pixels == 1
        assert difference.getpixel((0, 0)) != (0, 0, 0)
        assert difference.getpixel((1, 0)) == (0, 0, 0)
    assert service.remade.find(job, 1, "now") is None


@pytest.mark.lengthy
def test_a_cancelled_selection_keeps_what_was_found(harness: Harness) -> None:
    engine = FakeEngine()
    service = harness.start(engine)
    paths = [done(service, service.submit(request(seed=seed, steps=100))).saved[0].path for seed in (1, 2)]
    engine._pause = 0.03
    job = service.submit_again(*paths)
    until(service, job, lambda status: len(status.reports) == 1)
    service.cancel(job)
    status = done(service, job)
    assert status.state == "cancelled"
    assert [one.identical for one in status.reports] == [True]
    with refused("files", "pictures_count", limit=2000, value=0):
        service.submit_again()


def changed_row(harness: Harness, job_id: str, column: str, text: str) -> None:
    with sqlite3.connect(harness.folder / "jobs.sqlite3") as connection:
        connection.execute(f"UPDATE jobs SET {column} = ? WHERE id = ?", (text, job_id))


@pytest.mark.parametrize(
    ("kind", "payload", "field"),
    [
        ("generate", "{", "seed"),
        ("again", "{", "files"),
        ("again", '{"paths": [3]}', "files"),
        ("again", '{"paths": "/a.png"}', "files"),
    ],
)
def test_a_damaged_job_fails_and_the_next_one_runs(harness: Harness, kind: str, payload: str, field: str) -> None:
    service = harness.start(run=False)
    broken, whole = service.submit(request()), service.submit(request())
    changed_row(harness, broken, "payload", payload)
    changed_row(harness, broken, "kind", kind)
    harness.services.append(service)
    service.start()
    assert done(service, whole).state == "done"
    status = done(service, broken)
    assert status.state == "failed"
    assert status.error == Note("missing", field=field)


@pytest.mark.parametrize(
    "outcome", ["{", "[1]", '{"reports": 3}', '{"reports": [3]}', '{"reports": [{"identical": true}]}']
)
def test_reports_that_cannot_be_read_are_none(harness: Harness, outcome: str) -> None:
    service = harness.start()
    job = service.submit(request())
    done(service, job)
    changed_row(harness, job, "outcome", outcome)
    assert done(service, job).reports == ()


def test_what_a_later_version_wrote_of_a_picture_or_report_is_left_out(harness: Harness) -> None:
    service = harness.start()
    job = service.submit(request())
    before = done(service, job)
    changed_row(harness, job, "outcome", '{"reports": [{"path": "a.png", "identical": true, "later": 1}]}')
    with sqlite3.connect(harness.folder / "jobs.sqlite3") as connection:
        connection.execute("UPDATE job_images SET saved = json_set(saved, '$.later', 1)")
    now = done(service, job)
    assert now.saved == before.saved
    assert now.again is not None
    assert now.again.identical
    with sqlite3.connect(harness.folder / "jobs.sqlite3") as connection:
        connection.execute("UPDATE job_images SET saved = '{}'")
    assert done(service, job).saved == ()
