"""The Make again tab: a picture's own settings, back into a form, or run again and compared pixel for pixel."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import gradio as gr

from pipelines.errors import InvalidRequest, Note, SeedprintError, StorageError
from pipelines.types import REQUEST_FIELDS
from webui.archive import metadata, pictures
from webui.archive.metadata import ReadBack
from webui.proof.resources import matched
from webui.proof.sweep import barred
from webui.ui import jobs
from webui.ui.again.proof import barred_html, notes_html, pair_html, report_html
from webui.ui.again.send import LEAVES, Sender, task_of
from webui.ui.generate.controls import Updates
from webui.ui.generate.handlers import escaped
from webui.ui.generate.workspace import SECRET
from webui.ui.house import House
from webui.ui.inputs import Picture
from webui.ui.labels import word
from webui.ui.widgets.live import Live
from webui.ui.widgets.pictures import Pictures
from webui.ui.widgets.widget import empty_words
from webui.words import WORDS, Language, choice_key, fault, language_of, say, translate

_NAMED_FACTS = ("attention", "torch", "diffusers")  # which need their name; a device and a number type tell themselves
_SWITCHES = {one.name for one in REQUEST_FIELDS if one.switch}


class AgainTab:
    """The components."""

    def __init__(self, house: House) -> None:
        self.house = house

    def build(self, opened: gr.Tab) -> AgainTab:
        """Call inside `opened`."""
        self.opened = opened
        self.jobs = gr.BrowserState([], storage_key="seedprint-jobs-again", secret=SECRET)
        with gr.Row(elem_classes="columns", equal_height=False):
            with gr.Column(scale=9, min_width=340, elem_classes="left"):
                gr.Markdown(word("again_hint"), elem_classes="note")
                self.image = Picture(
                    sources=["upload"],
                    label=word("again_drop"),
                    height=320,
                    elem_id="again_image",
                    buttons=["fullscreen"],
                )
                with gr.Row(elem_classes="run-row"):
                    self.make = gr.Button(
                        word("again_make"),
                        variant="primary",
                        interactive=False,
                        elem_id="again_make",
                        elem_classes="generate-button",
                        scale=2,
                    )
                    self.cancel = gr.Button(
                        word("cancel"), elem_id="again_cancel", elem_classes="stop-button", scale=1, min_width=70
                    )
                gr.Markdown(word("again_recent"), elem_classes="section-title")
                self.recent = Pictures(
                    options={"empty": empty_words("empty_recent"), "strip": True}, elem_id="again_recent"
                )
            with gr.Column(scale=11, min_width=340, elem_classes="right"):
                self.live = Live(elem_id="again_live", options={"stops": ["again_cancel"], "kept": "again"})
                self.report = gr.HTML(elem_id="again_report", visible=False)
                gr.Markdown(word("again_settings"), elem_classes="section-title")
                self.settings = gr.HTML(elem_id="again_settings")
                self.send = gr.Button(word("again_send"), size="md", elem_id="again_send", interactive=False)
                with gr.Accordion(word("again_raw"), open=False):
                    self.raw = gr.Textbox(
                        lines=6,
                        max_lines=20,
                        interactive=False,
                        show_label=False,
                        elem_id="again_raw",
                        buttons=["copy"],
                    )
        return self

    def wire(self, sender: Sender) -> None:
        """Call once all tabs stand."""
        handlers = AgainHandlers(self, sender)
        private: dict[str, Any] = {"show_progress": "hidden", "api_visibility": "private"}
        shown = [self.settings, self.raw, self.report, self.send, self.make, self.live]
        self.image.change(handlers.show, self.image, shown, queue=False, api_name="again_show", **private)
        self.recent.select(handlers.choose, self.recent, self.image, queue=False, api_name="again_choose", **private)
        targets = [*sender.targets(), self.live]
        sent = self.send.click(
            handlers.send, self.image, targets, js=LEAVES, queue=False, api_name="again_send", **private
        )
        sender.travels(sent)
        outputs = [self.jobs, self.live, self.report]
        watching: dict[str, Any] = {"concurrency_limit": None, "api_name": "again_watch", **private}
        self.make.click(
            handlers.submit, {self.image, self.jobs}, outputs, queue=False, api_name="again_submit", **private
        ).success(handlers.watch, self.jobs, [self.live, self.report], trigger_mode="always_last", **watching)
        self.live.submit(handlers.watch, self.jobs, [self.live, self.report], **watching)  # a page opened again
        self.opened.select(handlers.recent, None, self.recent, queue=False, api_name="again_recent", **private)
        self.cancel.click(handlers.cancel, self.jobs, self.live, queue=False, api_name="again_cancel", **private)


class AgainHandlers:
    """Values in, updates out."""

    def __init__(self, tab: AgainTab, sender: Sender) -> None:
        self.tab, self.sender, self.house = tab, sender, tab.house

    def recent(self, request: gr.Request) -> dict[str, Any]:
        return self.house.recent(language_of(request))

    def choose(self, value: Any) -> Any:
        path = self.house.chosen(value)
        return str(path) if path is not None else gr.skip()

    def show(self, path: str | None, request: gr.Request) -> Updates:
        """The settings of a picture just given."""
        tab, language = self.tab, language_of(request)
        empty: Updates = {tab.report: gr.update(visible=False), tab.live: {}}
        empty |= {tab.send: gr.update(interactive=False), tab.make: gr.update(interactive=False)}
        if not path:
            return empty | {tab.settings: "", tab.raw: ""}
        try:
            file = self.house.readable(path, "file")
            back = metadata.read(file)
        except SeedprintError as error:
            return empty | {tab.settings: _error_line(fault(error, language)), tab.raw: ""}
        problem = pictures.problem(file)
        files = matched(back.record.facts, self.house.service.shelf.everything()) if back.record else []
        why = problem if problem is not None else barred(back, files)
        notes = [one.note for one in files if one.note]
        missing = [] if back.record else [say(note, language) for note in self.sender.missing(back)]
        return empty | {
            tab.settings: (_error_line(say(problem, language)) if problem is not None else barred_html(why, language))
            + notes_html([note for note in notes if note != why], language)
            + settings_table(back, language, missing),
            tab.raw: back.text or "",
            tab.send: gr.update(interactive=bool(back.fields)),
            tab.make: gr.update(interactive=why is None),
        }

    def send(self, path: str | None, request: gr.Request) -> Updates:
        try:
            return self.sender.as_run(self.house.readable(path, "file"), language_of(request))
        except SeedprintError as error:
            language = language_of(request)
            told = fault(error, language) if path else translate("again_choose", language)
            return {self.tab.live: jobs.refusal(error=told)}

    def submit(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        tab, language = self.tab, language_of(request)
        if not values[tab.image]:
            return {tab.live: {"state": "failed", "error": translate("again_choose", language)}}
        try:
            job = self.house.service.submit_again(self.house.readable(values[tab.image], "file"))
        except InvalidRequest as error:
            return {tab.live: {"state": "failed", "error": fault(error, language)}}
        return {tab.jobs: [job], tab.report: gr.update(visible=False), tab.live: {}}

    def watch(self, ids: Any, request: gr.Request) -> Iterator[Updates]:
        tab, language = self.tab, language_of(request)
        known = jobs.remembered(ids)
        yield {tab.live: gr.skip(), tab.report: gr.skip()}  # where nothing is told, gradio empties every output
        for status in jobs.watch(self.house, lambda: None, known):
            if isinstance(status, Note):
                yield {tab.live: jobs.away_value(status, language)}
                continue
            updates: Updates = {tab.live: jobs.live_value(self.house, status, language)}
            if status.state == "done" and status.again is not None:
                updates[tab.live] = {"job": status.id, "state": "done"}
                pair = pair_html(self.house.service.remade, status.id, 0, status.again, language)
                updates[tab.report] = gr.update(value=report_html(status.again, language, pair), visible=True)
            yield updates

    def cancel(self, ids: Any, request: gr.Request) -> Any:
        try:
            for one in jobs.remembered(ids):
                self.house.service.cancel(one)
        except StorageError as error:
            return jobs.away_value(error.told, language_of(request))
        return gr.skip()


def _error_line(text: str) -> str:
    return f'<p class="error-line">{escaped(text)}</p>'


def settings_table(back: ReadBack, language: Language, missing: Sequence[str] = ()) -> str:
    """The settings as a table; every text in it is from a stranger and escaped. `missing`: what is not here."""
    if not back.fields:
        told = say(back.problem or Note("sent_nothing"), language)
        return f'<p class="note">{escaped(told)}</p>'
    settings = {} if back.record is None else back.record.settings
    larger = settings.get("upscale") or settings.get("hires")
    task = "job_upscale" if settings.get("upscale") else f"tab_{task_of(back)}"
    rows = [("field_task", translate(task, language))]
    # of a group that is off, nothing
    fields = {name: value for name, value in back.fields.items() if value is not False or name not in _SWITCHES}
    if "width" in fields and "height" in fields:
        size = fields.pop("width"), fields.pop("height")
        is_grid = back.record is not None and back.record.kind == "grid"  # its settings are its first picture's
        sizes = [back.size] if is_grid else [size, back.size] if larger else [size]
        fields["size"] = " → ".join(" × ".join(map(str, one)) for one in sizes)
    rows += [
        (f"field_{name}" if name == "size" else name, _shown(name, value, language)) for name, value in fields.items()
    ]
    if back.record is not None:
        rows.append(("field_made_with", _made_with(back.record.facts)))
    rows += [("again_missing", text) for text in missing]
    rows += [("again_unknown", text) for text in back.unknown]
    body = "".join(
        f"<tr><th>{escaped(_label(name, language))}</th><td>{escaped(text)}</td></tr>" for name, text in rows if text
    )
    program = back.program or translate("again_other_program", language)
    told = translate("again_foreign", language, program=program)
    foreign = "" if back.record else f'<p class="note">{escaped(told)}</p>'
    return f'{foreign}<table class="settings">{body}</table>{_first_text(back, language)}'


def _first_text(back: ReadBack, language: Language) -> str:
    """How the first picture of the line was made, whatever was done since."""
    if (first := metadata.first_text(back.record)) is None:
        return ""
    program = first["program"] or translate("again_other_program", language)
    told = escaped(translate("again_first_text", language, program=program))
    return f'<details class="first-text"><summary>{told}</summary><pre>{escaped(first["text"])}</pre></details>'


def _label(name: str, language: Language) -> str:
    return translate(name, language) if name in WORDS else name


def _shown(name: str, value: object, language: Language) -> str:
    if isinstance(value, bool):
        return translate("yes" if value else "no", language)
    key = choice_key(name, value)
    return str(value) if key is None else translate(key, language)


def _made_with(facts: Mapping[str, Any]) -> str:
    known = {name: text for name, text in facts.items() if isinstance(text, str) and text}
    plain = [known.get("device_name") or known.get("device"), known.get("dtype")]
    return " · ".join([*filter(None, plain), *(f"{name} {known[name]}" for name in _NAMED_FACTS if name in known)])
