"""From a picture on disk back into a form: "send to", "reuse" and Make again all go this way."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError
from pipelines.types import DIALECTS, SEED_END, Task
from webui.archive import metadata
from webui.archive.inputs import InputsAround
from webui.archive.metadata import ReadBack
from webui.jobs import choices
from webui.jobs.defaults import FOUND, model_defaults
from webui.proof.resources import matched, renamed_fields
from webui.ui.generate.controls import Updates
from webui.ui.generate.tab import GenerateTab
from webui.ui.house import House, input_url

# What "send to" leaves alone: the run's own seed and how many images it makes.
_RUN_FIELDS = ("seed", "batch_size", "batches", "strength")


def task_of(back: ReadBack) -> Task:
    """The tab a picture came from."""
    if "mask_blur" in back.fields or (back.record is not None and back.record.settings.get("inpaint")):
        return "inpaint"
    return "img2img" if "strength" in back.fields else "txt2img"


def run_fields(back: ReadBack) -> dict[str, Any]:
    """The fields that make the picture again: image i of a batch has seed + i, so the run began at seed - position."""
    found = dict(back.fields)
    if back.record is not None and isinstance(found.get("seed"), int):
        found["seed"] = (found["seed"] - back.record.position) % SEED_END
    return found


# Given to an event that sends: remembers where the person is. `travels` goes on from there (both in head.js).
LEAVES = "value => window.seedprintLeave(value)"


class Sender:
    """Knows every tab. Returns updates; `targets` are all components they may touch.

    An answer only names the tab to open (in `way`); the browser opens it unless the person went elsewhere meanwhile.
    """

    def __init__(self, house: House, tabs: Mapping[Task, GenerateTab], frame: gr.Tabs) -> None:
        self.house, self.tabs, self.frame = house, tabs, frame
        self.way = gr.Textbox(visible="hidden", elem_id="way")

    def travels(self, sent: Any) -> None:
        """Opens the tab once the event `sent`, which began with `LEAVES`, is answered."""
        arrive = "to => window.seedprintArrive(to)"
        sent.then(None, self.way, [self.frame, self.way], js=arrive, api_visibility="private")

    def targets(self) -> list[Any]:
        found: list[Any] = [self.way]
        for tab in self.tabs.values():
            found += [*tab.form.components(), *tab.source_inputs(), tab.extras.defaults]
        return found

    def open(self, task: str) -> Updates:
        return {self.way: task}

    def with_model(self, name: str) -> Updates:
        """txt2img with this model and what suits it."""
        tab, model = self.tabs["txt2img"], self.house.model(name)
        defaults = model_defaults(model, tab.task, self.house.service.shelf.settings)
        shown = tab.form.apply({**defaults, "model": name})
        return self.open(tab.task) | shown | {tab.extras.defaults: {**defaults, FOUND: True}}

    def as_source(self, path: Path, task: Task) -> Updates:
        """The picture becomes what img2img or Inpaint starts from; its prompt and settings come along."""
        tab, back = self.tabs[task], metadata.read(path)
        fields = {name: value for name, value in self._known(back, back.fields).items() if name not in _RUN_FIELDS}
        return self.open(task) | tab.form.apply(fields) | self._picture(tab, path)

    def as_run(self, path: Path) -> Updates:
        """The form that made the picture, with its source picture and mask, on the tab it came from."""
        back = metadata.read(path)
        tab = self.tabs[task_of(back)]
        return self.open(tab.task) | tab.form.apply(self._known(back, run_fields(back))) | self._inputs(tab, back, path)

    def _known(self, back: ReadBack, fields: Mapping[str, Any]) -> dict[str, Any]:
        """With the names that the picture's files have now, and without a model that is not there: the form keeps its
        own. Prompts as run: what was drawn is not again."""
        facts = back.record.facts if back.record is not None else {}
        found = renamed_fields(fields, matched(facts, self.house.service.shelf.everything()))
        found |= {name: choices.literal(found[name]) for name in ("prompt", "negative_prompt") if name in found}
        model = self.house.model(found.get("model"))
        if model is None or model.problem is not None:
            found.pop("model", None)
        vaes = {one.name for one in self.house.service.adapters() if one.kind == "vae"}
        if found and found.get("vae") not in vaes:
            found["vae"] = "automatic"
        if "prompt" in found:
            found.setdefault("dialect", DIALECTS[0])  # what all other programs' texts are in
        return found

    def _picture(self, tab: GenerateTab, path: Path) -> Updates:
        if tab.painter is not None:
            return {tab.painter: self.painted(path)}
        return {tab.image: str(path)} if tab.image is not None else {}

    def painted(self, path: Path) -> dict[str, Any]:
        """The painter's value for a fresh picture without a mask. Raises UnreadableImage, StorageError."""
        sha256 = self.house.inputs.put(metadata.read_input(path, self.house.inputs))
        return {"source": sha256, "url": input_url(sha256)}

    def _inputs(self, tab: GenerateTab, back: ReadBack, path: Path) -> Updates:
        settings = back.record.settings if back.record is not None else {}
        image = (settings.get("init") or {}).get("image")
        mask = (settings.get("inpaint") or {}).get("mask")
        around = InputsAround(path, self.house.inputs)
        try:
            files = [around.bring(one) for one in (image, mask) if one is not None]
        except SeedprintError:
            return {}
        if tab.painter is not None and image is not None and mask is not None:
            urls = {"url": input_url(image), "mask_url": input_url(mask)}
            return {tab.painter: {"source": image, **urls}}
        if tab.image is not None and image is not None:
            return {tab.image: str(files[0])}
        return {}
