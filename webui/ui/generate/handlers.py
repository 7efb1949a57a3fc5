"""What happens when something in the workspace is clicked: values in, updates out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from PIL.Image import Image

from pipelines.errors import InvalidRequest, Note, SeedprintError, StorageError
from pipelines.fields import field_of
from pipelines.sampling.samplers import SAMPLERS
from pipelines.steps import steps_at
from pipelines.types import GenerationRequest, Task
from webui.archive import metadata, pictures
from webui.jobs.maps import with_maps
from webui.library import presets
from webui.ui import jobs
from webui.ui.generate import memory_line
from webui.ui.generate.controls import (
    TABS,
    Updates,
    Values,
    accepted,
    schedule_update,
    shown_in,
    typed,
    whole,
)
from webui.ui.generate.workspace import Workspace, files_of
from webui.words import Language, fault, language_of, translate


def task_in(value: object) -> Task:
    """From the browser: data from outside."""
    return next((task for task in TABS if task == value), "txt2img")


class GenerateHandlers:
    """Each takes values as gradio hands them, by component, and returns updates likewise."""

    def __init__(self, space: Workspace) -> None:
        self.space, self.form, self.house = space, space.form, space.house

    # -- running ------------------------------------------------------------------------------------------------

    def submit(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """Hands a job in, or one for each of several pictures, or says what is wrong with which field; what was typed
        stays."""
        space, task = self.space, task_in(values[self.space.task])
        try:
            new = self.house.service.submit_many(self._wishes(task, values))
        except SeedprintError as error:
            return {space.live: refused(error, language_of(request))}
        handed_in = [*jobs.remembered(values[space.jobs]), *new][-jobs.KEEP :]
        return {space.jobs: handed_in, space.live: {"state": "queued"}}

    def _wishes(self, task: Task, values: Values) -> Iterator[GenerationRequest]:
        """Made as they are asked for. ControlNets follow the maps of the pictures that were given."""
        given = {name: values[box] for name, box in self.space.pictures().items() if values[box]}
        beside = {name: pictures.read(self.house.readable(path, name)) for name, path in given.items()}
        settings = self.form.read(values)
        for start in self._starts(task, values):
            yield self.form.request(values, task, with_maps(start | beside, settings))

    def _starts(self, task: Task, values: Values) -> Iterator[dict[str, Image]]:
        """What each run begins with, by the fields of its pictures."""
        inputs, files = self.house.inputs, self.space.many.starts(self.house, task, values)
        for one in files:
            found = {"init_image": metadata.read_input(one["init_image"], inputs)}
            yield found | ({"mask": pictures.read_mask(one["mask"])} if "mask" in one else {})
        if files:
            return
        if task == "inpaint":
            yield dict(zip(("init_image", "mask"), self.house.source(values[self.space.painter]), strict=True))
        elif task == "img2img":
            yield {"init_image": metadata.read_input(self.house.readable(values[self.space.image]), inputs)}
        else:
            yield {}

    def watch(self, ids: Any, live: Any, request: gr.Request) -> Iterator[Updates]:
        """Shows the runs until all are finished, whoever asked for them: the one that goes on, then the next; at last
        the newest of this browser's."""
        space, language, shown = self.space, language_of(request), None
        yield {space.live: gr.skip(), space.canvas: gr.skip()}  # where nothing is told, gradio empties every output
        if isinstance(live, dict) and live.get("state") == "refused":
            return  # the last wish was no job; its fault stays in sight
        for status in jobs.watch(self.house, self.house.service.current, jobs.remembered(ids)):
            if isinstance(status, Note):
                yield {space.live: jobs.away_value(status, language)}
                continue
            updates: Updates = {space.live: jobs.live_value(self.house, status, language)}
            if status.finished and isinstance(live, dict) and live.get("state") == "told":
                updates = {space.live: gr.skip()}  # what was told of the form is newer
            key = (status.id, len(status.saved), status.grid is not None)
            if status.saved and key != shown:
                shown = key
                updates[space.canvas] = jobs.run_items(self.house, status, language)
            yield updates

    def cancel(self, request: gr.Request) -> Any:
        """Ends the job that is shown."""
        return self._stopped(self.house.service.cancel, request)

    def keep(self, request: gr.Request) -> Any:
        return self._stopped(self.house.service.keep, request)

    def skip(self, request: gr.Request) -> Any:
        return self._stopped(self.house.service.skip, request)

    def _stopped(self, stop: Callable[[str], None], request: gr.Request) -> Any:
        try:
            if (status := self.house.service.current()) is not None:
                stop(status.id)
        except StorageError as error:
            return jobs.away_value(error.told, language_of(request))
        return gr.skip()

    # -- the form -----------------------------------------------------------------------------------------------

    def sampler_chosen(self, sampler: str, schedule: str) -> Any:
        return schedule_update(sampler, schedule) if sampler in SAMPLERS else gr.skip()

    def offered(self) -> Updates:
        """Models, VAEs and LoRAs as they lie in the models folder now."""
        return self.space.extras.offer(self.form, self.house.service.models(), files_of(self.house))

    def memory(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """Whether the chosen size fits, and about how long it takes."""
        house, fields = self.house, self.form.read(values)
        there = {one.name for one in shown_in(task_in(values[self.space.task]))}
        fields = {name: value for name, value in fields.items() if name in there}
        state, language = house.service.engine_state(), language_of(request)
        pace, files = house.durations.refreshed(), memory_line.files_of(house)
        fields |= {name: bool(values[box]) for name, box in self.space.pictures().items()}
        text = memory_line.told(state, house.model(fields["model"]), fields, language, pace, files)
        return gr.update(value=escaped(text), visible=bool(text))

    def preset_chosen(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """Fills the form in; the prompt box then shows the whole prompt."""
        name, form = values[self.space.preset], self.form
        try:
            prompt, negative = (typed(one, values[form[one]]) for one in ("prompt", "negative_prompt"))
        except InvalidRequest as error:
            return {self.space.live: refused(error, language_of(request))}
        known = self.house.all_presets()
        words = presets.bare(prompt, known)
        preset = next((one for one in known if one.name == name), None)
        if preset is None:
            return self.form.apply({"prompt": words})
        return self.form.apply(preset.apply(words, negative))

    def steps_run(self, steps: Any, strength: Any, request: gr.Request) -> str:
        """How many steps really run: int(steps × strength)."""
        language = language_of(request)
        steps = whole(steps)
        if not accepted("steps", steps) or not accepted("strength", strength):
            return ""
        run = steps_at(strength, steps)
        if run == 0:
            return escaped(translate("steps_none", language))
        return escaped(translate("steps_run", language, run=run, steps=steps))


def refused(error: SeedprintError, language: Language, field: str = "") -> dict[str, Any]:
    """What `Live` shows of a wish that was no job: one sentence, beside its field where it concerns one. `field`: whose
    it is when the error does not say."""
    told = fault(error, language)
    one = field_of(GenerationRequest, error.field if isinstance(error, InvalidRequest) else field)
    if one is None or not (one.setting.page or one.is_picture):  # nothing on the page to stand beside
        return jobs.refusal(line=translate("state_failed", language), error=told)
    return jobs.refusal(faults={one.name: told})


def escaped(text: str) -> str:
    """Text for a gr.HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
