"""What happens when something on a generating tab is clicked: values in, updates out."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import gradio as gr
from PIL.Image import Image

from pipelines.errors import InvalidRequest, Note, SeedprintError, StorageError
from pipelines.sampling.samplers import SAMPLERS
from pipelines.types import steps_at
from webui.archive import metadata
from webui.jobs.status import JobStatus
from webui.library import presets
from webui.ui import jobs
from webui.ui.generate import memory_line
from webui.ui.generate.controls import Updates, Values, accepted, schedule_update, typed, whole
from webui.ui.generate.tab import GenerateTab
from webui.ui.house import input_url, uploaded_file
from webui.words import Language, fault, language_of, say, translate


class GenerateHandlers:
    """The handlers of one tab. Each takes values as gradio hands them, by component, and returns updates likewise."""

    def __init__(self, tab: GenerateTab) -> None:
        self.tab, self.form, self.house = tab, tab.form, tab.house

    # -- running ------------------------------------------------------------------------------------------------

    def submit(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """Hands a job in, or shows what is wrong beside the field; what was typed stays."""
        language = language_of(request)
        updates = self.form.unmark() | self._source_error("")
        try:
            image, mask = self._source(values)
            job = self.house.service.submit(self.form.request(values, image, mask))
        except SeedprintError as error:
            return updates | self.fault(error, language)
        return updates | {self.tab.jobs: [*jobs.remembered(values[self.tab.jobs]), job][-jobs.KEEP :]}

    def _source(self, values: Values) -> tuple[Image | None, Image | None]:
        tab = self.tab
        if tab.painter is not None:
            return self.house.source(values[tab.painter])
        if tab.image is None:
            return None, None
        if not values[tab.image]:
            raise InvalidRequest("init_image", "picture_needed")
        return metadata.read_input(self.house.readable(values[tab.image]), self.house.inputs), None

    def fault(self, error: SeedprintError, language: Language) -> Updates:
        """One sentence beside the field, or under the progress line when it concerns none of this tab's."""
        field = error.field if isinstance(error, InvalidRequest) else None
        marked, told = self.form.mark(error.told, language), fault(error, language)
        if field in self.tab.extras.folded:
            marked[self.tab.extras.advanced] = gr.update(open=True)
        if field in {"init_image", "mask"} and self.tab.task != "txt2img":
            marked = self._source_error(told)
        line = "" if field or marked else translate("state_failed", language)
        return marked | {self.tab.live: {"state": "refused", "line": line, "error": "" if marked else told}}

    def _source_error(self, text: str) -> Updates:
        if self.tab.task == "txt2img":
            return {}
        return {self.tab.source_error: gr.update(value=escaped(text), visible=bool(text))}

    def watch(self, ids: Any, live: Any, request: gr.Request) -> Iterator[Updates]:
        """Shows the runs of this tab's task until all are finished, whoever asked for them: the one that goes on, then
        the next; at last the newest of this browser's."""
        if isinstance(live, dict) and live.get("state") == "refused":
            return  # the last wish was no job; its fault stays in sight
        tab, language, shown = self.tab, language_of(request), None
        for status in jobs.watch(self.house, self._current, jobs.remembered(ids)):
            if isinstance(status, Note):
                yield {tab.live: jobs.away_value(status, language)}
                continue
            updates: Updates = {tab.live: jobs.live_value(self.house, status, language)}
            key = (status.id, len(status.saved), status.grid is not None, status.finished)
            if key != shown:
                shown = key
                if status.saved or status.finished:
                    updates[tab.pictures] = jobs.run_items(self.house, status, language)
                if status.finished:
                    updates[tab.recent] = self.house.recent(language)
            yield updates
        if shown is None:
            yield {tab.live: {}}

    def told(self, ids: Any, request: gr.Request) -> Any:
        """After a run: a fault that only the engine could find is shown beside its field too."""
        try:
            status = jobs.newest(self.house, jobs.remembered(ids))
        except StorageError:
            return gr.skip()  # the run's own line tells it
        if status is None or status.state != "failed" or status.error is None:
            return gr.skip()
        return self.form.mark(status.error, language_of(request)) or gr.skip()

    def cancel(self, request: gr.Request) -> Any:
        """Ends the job that is shown."""
        return self._stopped(self.house.service.cancel, request)

    def skip(self, request: gr.Request) -> Any:
        return self._stopped(self.house.service.skip, request)

    def _stopped(self, stop: Callable[[str], None], request: gr.Request) -> Any:
        try:
            if (status := self._current()) is not None:
                stop(status.id)
        except StorageError as error:
            return jobs.away_value(error.told, language_of(request))
        return gr.skip()

    def _current(self) -> JobStatus | None:
        return self.house.service.current(self.tab.task)

    # -- the form -----------------------------------------------------------------------------------------------

    def sampler_chosen(self, sampler: str, schedule: str) -> Any:
        return schedule_update(sampler, schedule) if sampler in SAMPLERS else gr.skip()

    def offered(self) -> Updates:
        """Models, VAEs and LoRAs as they lie in the models folder now."""
        service = self.house.service
        return self.tab.extras.offer(self.form, service.models(), service.adapters())

    def memory(self, values: dict[Any, Any], request: gr.Request) -> Any:
        """Whether the chosen size fits, and about how long it takes."""
        house, fields = self.house, self.form.read(values)
        state, language = house.service.engine_state(), language_of(request)
        text = memory_line.told(state, house.model(fields["model"]), fields, language, house.durations.refreshed())
        return gr.update(value=escaped(text), visible=bool(text))

    def preset_chosen(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """Fills the form in; the prompt box then shows the whole prompt."""
        name, form = values[self.tab.preset], self.form
        try:
            prompt, negative = (typed(one, values[form[one]]) for one in ("prompt", "negative_prompt"))
        except InvalidRequest as error:
            return form.mark(error.told, language_of(request))
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

    def painter_upload(self, value: Any, request: gr.Request) -> Updates:
        """The visitor gave the painter a picture: it is brought to upright sRGB and kept, then shown."""
        language, painter = language_of(request), self.tab.painter
        file = uploaded_file(value.get("uploaded")) if isinstance(value, dict) else None
        if file is None or painter is None:
            return self._source_error(say(Note("picture_needed"), language))
        try:
            sha256 = self.house.inputs.put(metadata.read_input(file, self.house.inputs))
        except SeedprintError as error:
            return self._source_error(fault(error, language))
        return self._source_error("") | {painter: {"source": sha256, "url": input_url(sha256)}}

    def load(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """When a page opens: recent pictures, and what Python words in the visitor's language."""
        language, form = language_of(request), self.form
        updates: Updates = {self.tab.recent: self.house.recent(language)} | self.offered()
        if "strength" in form:
            steps, strength = values[form["steps"]], values[form["strength"]]
            updates[self.tab.steps_run] = self.steps_run(steps, strength, request)
        return updates


def escaped(text: str) -> str:
    """Text for a gr.HTML."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
