"""What page and command line share, built in one place: engine, store, jobs, history -> service."""

from __future__ import annotations

import contextlib
import logging
import re
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path

from pipelines.engine import Engine
from pipelines.errors import Note
from pipelines.shared_database import Database
from webui.animation.runner import FOLDER as ANIMATIONS
from webui.animation.runner import Animations
from webui.archive.ahead import Ahead
from webui.archive.history import INDEX, MARKS, History
from webui.archive.store import ImageStore, SavedImage
from webui.archive.thumbnails import Thumbnails
from webui.archive.watch import Watcher
from webui.instances import JOBS, is_second, left_elsewhere, take_over, take_pictures
from webui.jobs.keeper import FOLDER as WAITING
from webui.jobs.kinds import House
from webui.jobs.schema import SCHEMA
from webui.jobs.service import GenerationService
from webui.jobs.table import JobTable
from webui.kept.forms import Forms
from webui.kept.models import FILE as MODEL_SETTINGS
from webui.kept.models import ModelSettings
from webui.kept.reading import FILE as READING
from webui.kept.reading import ReadingSettings
from webui.kept.saving import FILE as SAVING
from webui.kept.saving import SavingSettings
from webui.kept.settings import HERE, Settings
from webui.lab.runner import Lab
from webui.lab.store import LabTable
from webui.library.collection import Library, open_library
from webui.library.presets import Preset
from webui.networks.cards import Cards
from webui.networks.previews import Previews
from webui.notices import Notices
from webui.proof import golden, upgrades
from webui.proof.badges import Proofs
from webui.proof.rechecking import Rechecking
from webui.proof.remade import Remade
from webui.proof.rereading import Rereading
from webui.proof.resources import altered
from webui.words import say

log = logging.getLogger(__name__)
_ID = re.compile(r"[0-9a-f]{32}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Parts:
    settings: Settings
    service: GenerationService
    store: ImageStore
    history: History
    thumbnails: Thumbnails
    watcher: Watcher  # not started yet, nor are the three that follow: a command that ends soon needs none
    ahead: Ahead
    rereading: Rereading
    rechecking: Rechecking
    reading: ReadingSettings
    presets: tuple[Preset, ...]  # shipped ones but the styles, and a person's own
    library: Library
    lab: Lab
    animations: Animations
    forms: Forms
    saving: SavingSettings
    notices: Notices  # what a person should know
    cards: Cards

    def find(self, identity: str) -> SavedImage | None:
        """The picture with this opaque id."""
        if not _ID.fullmatch(identity):
            return None
        return self.history.find(identity)


@contextlib.contextmanager
def build_parts(settings: Settings, engine: Engine, data_dir: Path) -> Iterator[Parts]:
    """Everything behind page and command line; ended in order afterwards. The service is not started yet."""
    with contextlib.ExitStack() as stack:
        begun = stack.enter_context
        begun(closing(engine))
        library = open_library(HERE / "presets")
        second = is_second(settings.data_dir, data_dir)
        # a command's too: what it found out stays known
        proofs = begun(closing(Proofs(settings.data_dir / MARKS)))
        notices = _notices(settings.data_dir, engine, proofs, second=second)
        database = begun(closing(Database(data_dir / JOBS, SCHEMA)))
        if data_dir == settings.data_dir:
            take_over(data_dir, database)
        take_pictures(settings.data_dir, settings.output_dir, data_dir)
        # stars and tags are one person's, however many programs run; a command's temporary folder has its own
        shared = settings.data_dir if second else data_dir
        thumbnails = begun(closing(Thumbnails(data_dir / "thumbs.sqlite")))
        store = _store(settings, saving := SavingSettings(shared / SAVING))
        history = begun(closing(History(data_dir / INDEX, settings.output_dir, shared / MARKS, store.number_in)))
        watcher = begun(closing(Watcher(history)))
        jobs, previews = JobTable(database), Previews(shared / "previews")
        house = House(
            store=store,
            jobs=jobs,
            history=history,
            remade=Remade(data_dir / "remade"),
            proofs=proofs,
            previews=previews,
            lists=lambda: library.wildcards.lists().lists,
            waiting=data_dir / WAITING,
        )
        service = begun(closing(GenerationService(engine, house, ModelSettings(settings.data_dir / MODEL_SETTINGS))))
        idle, reading = partial(_idle, engine, jobs), ReadingSettings(shared / READING)
        ahead = begun(closing(Ahead(history, thumbnails, idle)))
        rereading = begun(closing(Rereading(engine, data_dir, idle, reading.monthly)))
        sets = settings.data_dir / golden.FOLDER
        rechecking = begun(closing(Rechecking(engine, sets, proofs, lambda: not second and idle())))
        table = LabTable(database)
        lab = begun(closing(Lab(service, store, history, table)))
        animations = begun(closing(Animations(service, store, table, data_dir / ANIMATIONS, settings.data_dir)))
        yield Parts(
            settings=settings,
            service=service,
            store=store,
            history=history,
            thumbnails=thumbnails,
            watcher=watcher,
            ahead=ahead,
            rereading=rereading,
            rechecking=rechecking,
            reading=reading,
            presets=all_presets(library),
            library=library,
            lab=lab,
            animations=animations,
            forms=Forms(database),
            saving=saving,
            notices=notices,
            cards=Cards(settings.models_dirs, previews, service.shelf),
        )


def _store(settings: Settings, saving: SavingSettings) -> ImageStore:
    """What was given at the start goes before what is settled."""
    kept = saving.get()
    pattern, kind = settings.name_pattern or kept.pattern, settings.image_format or kept.format
    return ImageStore(settings.output_dir, saving=replace(kept, pattern=pattern, format=kind))


def _notices(data_dir: Path, engine: Engine, proofs: Proofs, *, second: bool) -> Notices:
    """`data_dir`: the person's own, whichever program this is."""
    update = partial(upgrades.told, data_dir / golden.FOLDER, proofs)
    return Notices(data_dir, data_dir if second else None, partial(_found, engine, data_dir), update)


def _found(engine: Engine, data_dir: Path) -> list[Note]:
    """Of files that rotted, and of pictures that wait for another folder than this program's."""
    rotten = [note for note in map(altered, engine.shelf()) if note is not None]
    left = [Note("command_left", pictures=count, folder=str(folder)) for folder, count in left_elsewhere(data_dir)]
    return rotten + left


def _idle(engine: Engine, jobs: JobTable) -> bool:
    return engine.describe().state != "warming" and jobs.idle()


def all_presets(library: Library | None = None) -> tuple[Preset, ...]:
    """The shipped ones and a person's own; a file of theirs that cannot be read is logged and left out."""
    library = library or open_library(HERE / "presets")
    own = library.saved.listing()
    for problem in (*own.problems, *library.wildcards.lists().problems):
        log.warning("Left out: %s", say(problem, "en"))
    return library.presets + own.presets
