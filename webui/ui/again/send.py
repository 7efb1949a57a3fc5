"""From a picture on disk back into a form: "send to", "reuse" and Make again all go this way."""

from __future__ import annotations

import contextlib
import random
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.control.preprocessing import PREPROCESSORS
from pipelines.details import BY_HAND
from pipelines.errors import Note, SeedprintError
from pipelines.fields import flat
from pipelines.groups import SEED_END, Variation
from pipelines.kinds import several
from pipelines.prompts.grammar import parse
from pipelines.types import DIALECTS, Task
from webui.archive import metadata
from webui.archive.inputs import InputsAround
from webui.archive.metadata import ReadBack
from webui.jobs import choices
from webui.jobs.defaults import FOUND, model_defaults
from webui.jobs.maps import PICTURES, REFERENCES, SLOTS, VARIED
from webui.proof.resources import Match, matched, renamed_fields
from webui.ui.generate.controls import Updates
from webui.ui.generate.workspace import Workspace, files_of
from webui.ui.house import House, input_url
from webui.ui.process.tab import chosen
from webui.ui.widgets.process import ProcessView
from webui.words import Language, say

# What "send to" leaves alone: the run's own seed and how many images it makes.
_RUN_FIELDS = ("seed", "batch_size", "batches", "strength")
VARIATIONS = 4  # pictures that "Vary" asks for


def task_of(back: ReadBack) -> Task:
    """The tab a picture came from."""
    if "mask_blur" in back.fields or (back.record is not None and back.record.settings.get("inpaint")):
        return "inpaint"
    return "img2img" if "strength" in back.fields else "txt2img"


def own_fields(back: ReadBack) -> dict[str, Any]:
    """The fields that make this picture alone: one with its own seed, whatever run it came from."""
    found = dict(back.fields)
    return found | {"batch_size": 1} if "batch_size" in found else found


# Given to an event that sends: remembers where the person is. `travels` goes on from there (both in head.js).
LEAVES = "value => window.seedprintLeave(value)"


class Sender:
    """Knows the form. Returns updates; `targets` are all components they may touch.

    An answer only names the tab to open (in `way`); the browser opens it unless the person went elsewhere meanwhile.
    """

    def __init__(self, house: House, space: Workspace, frame: gr.Tabs, process: ProcessView) -> None:
        self.house, self.space, self.frame, self.process = house, space, frame, process
        self.way = gr.Textbox(visible="hidden", elem_id="way")

    def travels(self, sent: Any) -> None:
        """Opens the tab once the event `sent`, which began with `LEAVES`, is answered."""
        arrive = "to => window.seedprintArrive(to)"
        sent.then(None, self.way, [self.frame, self.way], js=arrive, api_visibility="private")

    def targets(self) -> list[Any]:
        space = self.space
        return [
            self.way,
            *space.form.components(),
            *space.sources(),
            *space.pictures().values(),
            space.extras.defaults,
            space.live,
            self.process,
        ]

    def open(self, task: str) -> Updates:
        return {self.way: task}

    def with_model(self, name: str) -> Updates:
        """txt2img with this model and what suits it."""
        form, model = self.space.form, self.house.model(name)
        defaults = model_defaults(model, self.house.service.shelf.settings)
        shown = form.apply({**defaults, "model": name})
        return self.open("txt2img") | shown | {self.space.extras.defaults: {**defaults, FOUND: True}}

    def as_source(self, path: Path, task: Task) -> Updates:
        """The picture becomes what img2img or Inpaint starts from; its prompt and settings come along."""
        back = metadata.read(path)
        fields = {name: value for name, value in self._known(back, back.fields).items() if name not in _RUN_FIELDS}
        source = self.space.painter if task == "inpaint" else self.space.image
        picture = self.painted(path) if task == "inpaint" else str(path)
        return self.open(task) | self.space.form.apply(fields) | {source: picture}

    def as_run(self, path: Path, language: Language) -> Updates:
        """The form that makes the picture, with its source picture and mask, on the tab it came from; what is not as it
        was is told above the canvas."""
        back = metadata.read(path)
        shown = self.space.form.apply(self._known(back, own_fields(back)))
        told = self._telling(self.told_of_run(path), language)
        return self.open(task_of(back)) | shown | self._inputs(back, path) | self._pictures(back, path) | told

    def _telling(self, notes: Iterable[Note], language: Language, **brought: str) -> Updates:
        """Above the canvas. `brought`: `at`, the field that comes into view."""
        told = " ".join(say(note, language) for note in notes)
        return {self.space.live: {"state": "told", "line": told, **brought} if told else {}}

    def as_text(self, text: str, language: Language) -> Updates:
        """The form that a `parameters` text tells of, on the tab that is open."""
        back = metadata.read_text(text)
        told = [*self._told_of_files(back), *_told_of_pictures(back, {})] if back.fields else [Note("sent_nothing")]
        if "model" not in back.fields:  # settings of no picture: they are for the form's own
            told = [note for note in told if note.code != "sent_model_kept"]
        return self.space.form.apply(self._known(back, own_fields(back))) | self._telling(told, language)

    def ways(self, again: Any) -> dict[str, Callable[[Path, Language], Updates]]:
        """What can be done with a picture. `again`: where Make again has its own."""
        return {
            "img2img": lambda path, _: self.as_source(path, "img2img"),
            "inpaint": lambda path, _: self.as_source(path, "inpaint"),
            "again": lambda path, _: self.open("again") | {again: str(path)},
            "run": self.as_run,
            "seed": lambda path, _: self.seed(path),
            "vary": self.as_variations,
            "detail": self.as_detailed,
            "process": lambda path, _: self.open("process") | {self.process: chosen(self.house, path)},
        }

    def as_variations(self, path: Path, language: Language) -> Updates:
        """The form that makes pictures near this one."""
        variation = Variation(seed=random.randrange(SEED_END))
        varied = {"variation": True, "batches": VARIATIONS, **flat(variation)}
        told = [*self.told_of_run(path), Note("sent_to_vary", count=VARIATIONS, strength=variation.strength)]
        return self.as_run(path, language) | self.space.form.apply(varied) | self._telling(told, language)

    def as_detailed(self, path: Path, language: Language) -> Updates:
        """The form that makes the picture once more, as it is, and then refines details of it; of one that does not say
        how it was made, or was made larger since, that repaints what is painted."""
        back, form = metadata.read(path), self.space.form
        if not back.fields or (back.record is not None and back.record.settings.get("upscale")):
            told = self._telling([Note("sent_to_detail_painted")], language)
            return self.as_source(path, "inpaint") | form.apply({"only_masked": True}) | told
        boxes, detector = (back.fields.get(f"detail_{name}") for name in ("boxes", "detector"))
        if not boxes and detector in (None, BY_HAND):
            detector = next((one.name for one in self.house.service.detectors()), BY_HAND)
        wanted = {"detail": True, "detail_boxes": boxes or "", "detail_detector": detector}
        looks = not boxes and detector != BY_HAND
        ready = Note("sent_to_detail_found", detector=detector) if looks else Note("sent_to_detail")
        told = self._telling([*self.told_of_run(path), ready], language, at="detail_boxes")
        return self.as_run(path, language) | form.apply(wanted) | told

    def seed(self, path: Path) -> Updates:
        """Only the picture's seed."""
        seed = metadata.read(path).fields.get("seed")
        return {self.space.form["seed"]: seed} if isinstance(seed, int) else {}

    def told_of_run(self, path: Path) -> tuple[Note, ...]:
        """What a person should know of the form that `as_run` fills in: what is not here, not understood, or not the
        same. Raises UnreadableImage."""
        back = metadata.read(path)
        if not back.fields:
            return (back.problem or Note("sent_nothing"),)
        return (*self._told_of_files(back), *self._told_of_start(back, path), *_told_of_batch(back))

    def missing(self, back: ReadBack) -> list[Note]:
        """The files that another program's picture names and that are not here; of our own the hashes of the record
        tell better."""
        models = [back.fields[name] for name in ("model", "refiner_model") if name in back.fields]
        found = [Note("missing_model", name=str(name)) for name in models if not self._can_run(name)]
        loras = parse(str(back.fields.get("prompt", ""))).loras
        adapters = self.house.service.adapters()
        here = {name.casefold() for one in adapters for name in (one.name, Path(one.path).stem)}
        gone = dict.fromkeys(lora.name for lora in loras if lora.name.casefold() not in here)
        files = files_of(self.house).missing(back.fields)
        others = [Note("missing_file", what=Note(f"role_{role}"), name=name) for role, name in files]
        return [*found, *(Note("missing_lora", name=name) for name in gone), *others]

    def _told_of_files(self, back: ReadBack) -> list[Note]:
        """Of the files it was made with, and what was not understood."""
        told = self.missing(back)
        if back.record is not None:
            told = [one.note for one in self._matched(back) if one.note is not None]
        found = [Note("sent_missing", names=several(told))] if told and back.record is None else told
        if not self._can_run(self._renamed(back, back.fields).get("model")):
            found.append(Note("sent_model_kept"))
        if back.unknown:
            found.append(Note("sent_not_understood", names=several(back.unknown)))
        return found

    def _told_of_start(self, back: ReadBack, path: Path) -> list[Note]:
        found = _told_of_pictures(back, self._picture_files(back, path))
        if task_of(back) == "txt2img" or self._inputs(back, path):
            return found
        return [Note("sent_start_missing"), *found]

    def _can_run(self, name: object) -> bool:
        model = self.house.model(name)
        return model is not None and model.problem is None

    def _matched(self, back: ReadBack) -> list[Match]:
        facts = back.record.facts if back.record is not None else {}
        return matched(facts, self.house.service.shelf.everything())

    def _renamed(self, back: ReadBack, fields: Mapping[str, Any]) -> dict[str, Any]:
        return renamed_fields(fields, self._matched(back))

    def _known(self, back: ReadBack, fields: Mapping[str, Any]) -> dict[str, Any]:
        """With the names that the picture's files have now, and without a model that is not there: the form keeps its
        own. Prompts as run: what was drawn is not again."""
        found = self._renamed(back, fields)
        found |= {name: choices.literal(found[name]) for name in ("prompt", "negative_prompt") if name in found}
        if not self._can_run(found.get("model")):
            found.pop("model", None)
        vaes = {one.name for one in self.house.service.adapters() if one.kind == "vae"}
        if found and found.get("vae") not in vaes:
            found["vae"] = "automatic"
        found = files_of(self.house).known(found)
        if "prompt" in found:
            found.setdefault("dialect", DIALECTS[0])  # what all other programs' texts are in
        return found

    def painted(self, path: Path) -> dict[str, Any]:
        """The painter's value for a fresh picture without a mask. Raises UnreadableImage, StorageError."""
        sha256 = self.house.inputs.put(metadata.read_input(path, self.house.inputs))
        return {"source": sha256, "url": input_url(sha256)}

    def _picture_files(self, back: ReadBack, path: Path) -> dict[str, Path | None]:
        """Of each ControlNet and each reference of the picture the file of its own; None: it is not here."""
        settings = back.record.settings if back.record is not None else {}
        around, found = InputsAround(path, self.house.inputs), dict[str, Path | None]()
        for slot, name in PICTURES.items():
            if isinstance(group := settings.get(slot), Mapping):
                found[slot] = None
                with contextlib.suppress(SeedprintError):
                    found[slot] = around.bring(str(group.get(name.removeprefix(f"{slot}_"))))
        return found

    def _pictures(self, back: ReadBack, path: Path) -> Updates:
        """Those of ControlNets are maps, which need no making any more."""
        files, boxes = self._picture_files(back, path), self.space.pictures()
        updates: Updates = {
            boxes[name]: str(files[slot]) if files.get(slot) else None for slot, name in PICTURES.items()
        }
        made = [slot for slot in SLOTS if slot in files]
        return updates | self.space.form.apply({f"{slot}_preprocessor": PREPROCESSORS[0] for slot in made})

    def _inputs(self, back: ReadBack, path: Path) -> Updates:
        settings = back.record.settings if back.record is not None else {}
        image = (settings.get("init") or {}).get("image")
        mask = (settings.get("inpaint") or {}).get("mask")
        around = InputsAround(path, self.house.inputs)
        try:
            files = [around.bring(one) for one in (image, mask) if one is not None]
        except SeedprintError:
            return {}
        if image is not None and mask is not None:
            urls = {"url": input_url(image), "mask_url": input_url(mask)}
            return {self.space.painter: {"source": image, **urls}}
        return {self.space.image: str(files[0])} if image is not None else {}


def _lacks(back: ReadBack, files: Mapping[str, Path | None], slots: Iterable[str]) -> bool:
    """Whether a picture of one of these is not here."""
    there = [files[slot] for slot in slots if slot in files]
    named = (name for slot in slots for name in (f"{slot}_model", f"{slot}_noise_level"))
    return None in there or (not there and any(name in back.fields for name in named))


def _told_of_pictures(back: ReadBack, files: Mapping[str, Path | None]) -> list[Note]:
    """Of those beside the one that is started from."""
    found = [Note("sent_map_missing")] if _lacks(back, files, SLOTS) else []
    return [*found, Note("sent_reference_missing")] if _lacks(back, files, (*REFERENCES, VARIED)) else found


def _told_of_batch(back: ReadBack) -> list[Note]:
    """Alone a picture may differ in its last bits from one that was computed beside others."""
    size = back.record.settings.get("batch_size") if back.record is not None else 1
    return [Note("sent_from_batch", count=size)] if isinstance(size, int) and size > 1 else []
