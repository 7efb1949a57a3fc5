"""The Lab tab: prompt experiments, counted. Layout and events; the form is in `lab_form`, the words in `lab_view`."""

from __future__ import annotations

import json
import os
import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import gradio as gr

from pipelines.errors import SeedprintError, StorageError
from pipelines.fields import flat
from webui.archive import metadata
from webui.lab.experiments import Experiment
from webui.lab.planning import estimate
from webui.lab.report import to_csv, to_html
from webui.lab.runner import Lab
from webui.lab.shipped import ReadyMade
from webui.ui import jobs
from webui.ui.generate.controls import Updates
from webui.ui.generate.handlers import escaped
from webui.ui.generate.workspace import SECRET, files_of
from webui.ui.house import House
from webui.ui.inputs import Dropdown
from webui.ui.lab import view as lab_view
from webui.ui.lab.form import SHOWN, LabForm, build_asked, build_settings
from webui.ui.labels import word
from webui.ui.looks import LooksCard
from webui.ui.widgets.live import Live
from webui.ui.widgets.pictures import Pictures
from webui.ui.widgets.reading import build_reading, wire_reading
from webui.ui.widgets.widget import empty_words
from webui.words import Language, fault, language_of

RECENT = 30  # experiments offered
PAUSE = 0.3  # seconds between two looks
WAIT = 1.0  # seconds; a watcher whose browser has left ends after this long
METRIC = "ms_ssim"


class LabTab:
    """The components."""

    def __init__(self, house: House, lab: Lab, ready: tuple[ReadyMade, ...]) -> None:
        self.house, self.lab, self.ready = house, lab, ready

    def build(self, opened: gr.Tab) -> LabTab:
        """Call inside `opened`."""
        self.opened = opened
        self.shown = gr.BrowserState("", storage_key="seedprint-lab", secret=SECRET)
        with gr.Row(elem_classes="columns", equal_height=False):
            with gr.Column(scale=9, min_width=340, elem_classes="left"):
                self._build_left()
            with gr.Column(scale=11, min_width=340, elem_classes="right"):
                self._build_right()
        return self

    def _build_left(self) -> None:
        gr.Markdown(word("lab_hint"), elem_classes="note")
        gr.Markdown(word("lab_ready"), elem_classes="section-title")
        with gr.Row(elem_classes="examples"):
            self.ready_buttons = [
                gr.Button(one.name, size="sm", elem_id=f"lab_ready_{place}", elem_classes="example")
                for place, one in enumerate(self.ready)
            ]
        asked = build_asked()
        models = tuple(model for model in self.house.service.models() if model.problem is None)
        with gr.Column(elem_classes="card"):
            name = models[0].name if models else ""
            self.reading = build_reading("lab", self.house.service, self.house.library, name)
        self.fault = gr.HTML(elem_id="lab_fault", elem_classes="error-line", visible=False)
        self.estimate = gr.HTML(elem_id="lab_estimate", elem_classes="note")
        with gr.Row(elem_classes="run-row"):
            self.start = gr.Button(
                word("lab_start"), variant="primary", scale=3, elem_id="lab_start", elem_classes="generate-button"
            )
            self.cancel = gr.Button(
                word("cancel"), scale=1, elem_id="lab_cancel", elem_classes="stop-button", min_width=70
            )
            self.go_on = gr.Button(word("lab_go_on"), scale=1, elem_id="lab_go_on", min_width=70)
        with gr.Column(elem_classes=["card", "later"]):
            self.form = LabForm(**asked, **build_settings(models, files_of(self.house)))

    def _build_right(self) -> None:
        self.live = Live(elem_id="lab_live", options={"stops": ["lab_cancel"], "starts": ["lab_go_on"]})
        self.chosen = Dropdown([], label=word("lab_experiments"), elem_id="lab_chosen")
        self.verdict = gr.HTML(elem_id="lab_verdict")
        self.pictures = Pictures(options={"empty": empty_words("lab_empty")}, elem_id="lab_pictures")
        self.metric = Dropdown([], label=word("lab_metric"), elem_id="lab_metric", visible=False)
        self.plot = gr.HTML(elem_id="lab_plot")
        self.table = gr.DataFrame(
            interactive=False,
            wrap=True,
            elem_id="lab_table",
            show_label=False,
            visible=False,
            buttons=[],
            max_height=1200,
            column_widths=["20%", "6%", "9%", "14%", "9%", "14%", "28%"],
        )
        with gr.Row(elem_classes="actions"):
            self.csv = gr.DownloadButton(_label("lab_csv"), size="sm", elem_id="lab_csv", visible=False)
            self.html = gr.DownloadButton(_label("lab_html"), size="sm", elem_id="lab_html", visible=False)
        self.looks = LooksCard(self.house).build()

    def wire(self) -> None:
        """Call once all tabs stand."""
        self._wire_kept()
        handlers, form = LabHandlers(self), self.form
        quiet: dict[str, Any] = {"queue": False, "show_progress": "hidden", "api_visibility": "private"}
        counted = [self.verdict, self.metric, self.plot, self.table, self.csv, self.html]
        watching: dict[str, Any] = {
            "inputs": [self.shown, self.metric],
            "outputs": [self.live, self.pictures, *counted],
            "show_progress": "hidden",
            "concurrency_limit": None,
            "trigger_mode": "multiple",
            "api_visibility": "private",
            "api_name": "lab_watch",
        }
        started = [self.shown, self.chosen, self.live, self.fault, self.estimate]
        everything = form.components()
        run = self.start.click(handlers.submit, everything, started, api_name="lab_submit", **quiet)
        fresh: dict[str, Any] = {"inputs": everything, "outputs": [self.estimate, self.fault], **quiet}
        run.success(handlers.watch, **watching).then(handlers.plan, api_name="lab_plan_after", **fresh)
        for place, (button, ready) in enumerate(zip(self.ready_buttons, self.ready, strict=True)):
            event = button.click(
                handlers.runs(ready), None, [*everything, *started], api_name=f"lab_ready_{place}", **quiet
            )
            name = f"lab_plan_ready_{place}"
            event.success(handlers.watch, **watching).then(handlers.plan, api_name=name, **fresh)
        self.go_on.click(handlers.go_on, self.shown, self.live, api_name="lab_go_on", **quiet).success(
            handlers.watch, **watching
        )
        self.cancel.click(handlers.cancel, self.shown, self.live, api_name="lab_cancel", **quiet)
        self.chosen.input(
            handlers.choose, self.chosen, [self.shown, *everything], api_name="lab_choose", **quiet
        ).success(handlers.watch, **watching)
        self.metric.input(handlers.count, [self.shown, self.metric], counted, api_name="lab_count", **quiet)
        self.looks.wire(self.opened)
        wire_reading(self.reading, {"model": form.model})
        form.kind.input(form.reveal, form.kind, list(everything), api_name="lab_kind", **quiet).then(
            handlers.plan, everything, [self.estimate, self.fault], api_name="lab_plan_kind", **quiet
        )
        changes: list[Any] = [one.change for name, one in vars(form).items() if name != "kind"]
        planned: dict[str, Any] = {"inputs": everything, "outputs": [self.estimate, self.fault], **quiet}
        gr.on(changes, handlers.plan, trigger_mode="always_last", api_name="lab_plan", **planned)
        self.opened.select(handlers.plan, api_name="lab_plan_opened", **planned)
        first = [self.shown, self.chosen, *self.ready_buttons]
        opened: Any = self.opened.select(handlers.load, self.shown, first, api_name="lab_load", **quiet)
        opened.then(handlers.watch, **watching)

    def _wire_kept(self) -> None:
        """The form is there again in a page that loads again; its pictures are kept with the others of the page."""
        boxes = self.form.boxes().values()
        named: dict[str, Any] = {name: one for name, one in self.form.by_name().items() if one not in boxes}
        names, shown = json.dumps([*named]), json.dumps(SHOWN)
        private: dict[str, Any] = {"api_visibility": "private"}
        kept = f"(...values) => void window.seedprintKeepLab({names}, values)"
        gr.on([one.change for one in named.values()], None, [*named.values()], None, js=kept, **private)
        again = f"() => window.seedprintLab({names}, {shown})"
        self.opened.select(None, None, [*named.values()], js=again, **private)


class LabHandlers:
    """Values in, updates out."""

    def __init__(self, tab: LabTab) -> None:
        self.tab, self.form, self.house, self.lab = tab, tab.form, tab.house, tab.lab
        self._watchers: dict[str, object] = {}  # page in a browser -> who shows it something

    def load(self, shown: Any, request: gr.Request) -> Updates:
        """What this browser looked at last; in a browser that is new here, the newest experiment."""
        language, identity = language_of(request), _identity(shown)
        if not identity:
            identity = next((row.id for row in self.lab.recent(1)), "")
        updates: Updates = {self.tab.shown: identity, self.tab.chosen: self._choices(identity)}
        for button, ready in zip(self.tab.ready_buttons, self.tab.ready, strict=True):
            updates[button] = gr.update(value=ready.name_zh if language == "zh" else ready.name)
        return updates

    def _choices(self, chosen: str) -> Any:
        rows = self.lab.recent(RECENT)
        known = {row.id for row in rows}
        return gr.update(
            choices=[(f"{row.number} · {row.name}", row.id) for row in rows], value=chosen if chosen in known else None
        )

    def plan(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        """What it would cost, or what is wrong, while it is being written."""
        language = language_of(request)
        try:
            plan = self.lab.plan(self._experiment(values))
        except SeedprintError as error:
            return {self.tab.estimate: ""} | self._fault(fault(error, language))
        return {self.tab.estimate: escaped(estimate(plan, language))} | self._fault("")

    def _experiment(self, values: dict[Any, Any]) -> Experiment:
        """Raises InvalidRequest, UnreadableImage, StorageError."""
        given = {name: values[box] for name, box in self.form.boxes().items() if values[box]}
        return self.form.experiment(
            values,
            {
                name: metadata.read_input(self.house.readable(path, name), self.house.inputs)
                for name, path in given.items()
            },
        )

    def _shown(self, experiment: Experiment) -> Updates:
        """The form as it was filled in. Raises StorageError."""
        asked, inputs = flat(experiment.base), self.house.inputs
        files = {name: inputs.folder / f"{inputs.put(asked[name])}.png" for name in self.form.boxes() if name in asked}
        return self.form.apply(experiment, files)

    def submit(self, values: dict[Any, Any], request: gr.Request) -> Updates:
        language = language_of(request)
        try:
            identity = self.lab.submit(self._experiment(values))
        except SeedprintError as error:
            return self._fault(fault(error, language)) | {self.tab.estimate: ""}
        return self._started(identity)

    def runs(self, ready: ReadyMade) -> Callable[[gr.Request], Updates]:
        """A handler: the form shows it, and it runs."""

        def run_ready(request: gr.Request) -> Updates:
            try:
                identity = self.lab.submit(ready.experiment)
            except SeedprintError as error:
                return self._fault(fault(error, language_of(request)))
            return self._shown(ready.experiment) | self._started(identity)

        return run_ready

    def _started(self, identity: str) -> Updates:
        return {self.tab.shown: identity, self.tab.chosen: self._choices(identity)} | self._fault("")

    def _fault(self, text: str) -> Updates:
        return {self.tab.fault: gr.update(value=escaped(text), visible=bool(text))}

    def choose(self, identity: Any) -> Any:
        """Shows an experiment of before: its form, pictures and numbers."""
        try:
            experiment = self.lab.experiment(_identity(identity))
        except SeedprintError:
            return {self.tab.shown: _identity(identity)}  # its input picture is gone; its numbers are still there
        if experiment is None:
            return gr.skip()
        return {self.tab.shown: _identity(identity)} | self._shown(experiment)

    def watch(self, shown: Any, metric: Any, request: gr.Request) -> Iterator[Updates]:
        """Shows the experiment until it is over and counted, or this browser looks at another; while the database is
        away, why it is."""
        mine, session = object(), request.session_hash or ""
        self._watchers[session] = mine
        while self._watchers.get(session) is mine:
            try:
                yield from self._followed(shown, metric, request, mine)
                return
            except StorageError as error:
                yield {self.tab.live: jobs.away_value(error.told, language_of(request))}
                time.sleep(WAIT)

    def _followed(self, shown: Any, metric: Any, request: gr.Request, mine: object) -> Iterator[Updates]:
        tab, language, seen, identity = self.tab, language_of(request), -1, _identity(shown)
        status = self.lab.status(identity)
        while status is not None and self._watchers.get(request.session_hash or "") is mine:
            updates: Updates = {tab.live: lab_view.live_value(status, language)}
            if status.done != seen or status.over:
                seen = status.done
                cells = self.lab.pictures(identity)
                updates[tab.pictures] = lab_view.pictures_value(self.house, self.lab, status, cells, language)
            if status.over:
                self._watchers.pop(request.session_hash or "", None)
                yield updates | self.count(shown, metric, request)
                return
            yield updates
            time.sleep(PAUSE)  # quick steps are not worth a message each
            status = self.lab.wait(identity, status.version, WAIT)

    def count(self, shown: Any, metric: Any, request: gr.Request) -> Updates:
        """Verdict, plot, table and files of the experiment in sight."""
        tab, language, identity = self.tab, language_of(request), _identity(shown)
        results = self.lab.results(identity)
        if results is None:
            hidden = gr.update(visible=False)
            return {tab.verdict: "", tab.plot: ""} | dict.fromkeys((tab.metric, tab.table, tab.csv, tab.html), hidden)
        name = metric if metric in results.metrics else METRIC
        said = "".join(f"<p>{escaped(one)}</p>" for one in lab_view.verdict(results, name, language))
        csv, html = self._files(identity, language)
        return {
            tab.verdict: said,
            tab.metric: gr.update(choices=lab_view.metrics(results, language), value=name, visible=True),
            tab.plot: lab_view.plot(results, name, language),
            tab.table: gr.update(value=lab_view.table(results, name, language), visible=True),
            tab.csv: gr.update(value=csv, visible=csv is not None),
            tab.html: gr.update(value=html, visible=html is not None),
        }

    def _files(self, identity: str, language: Language) -> tuple[str | None, str | None]:
        """CSV and report in the page's own temporary folder, where gradio may serve them from."""
        folder, results = os.environ.get("GRADIO_TEMP_DIR"), self.lab.results(identity)
        experiment = self.lab.experiment(identity)
        if not folder or results is None or experiment is None:
            return None, None
        place = Path(folder) / "lab" / identity
        place.mkdir(parents=True, exist_ok=True)
        slug = re.sub(r"\W+", "-", experiment.name.lower()).strip("-")[:60] or "experiment"
        csv, html = place / f"{slug}.csv", place / f"{slug}.html"
        csv.write_bytes(to_csv(results))
        html.write_bytes(to_html(experiment, results, self.lab.pictures(identity), language))
        return str(csv), str(html)

    def cancel(self, shown: Any, request: gr.Request) -> Any:
        return self._done(self.lab.cancel, shown, request)

    def go_on(self, shown: Any, request: gr.Request) -> Any:
        return self._done(self.lab.go_on, shown, request)

    def _done(self, act: Callable[[str], None], shown: Any, request: gr.Request) -> Any:
        try:
            act(_identity(shown))
        except StorageError as error:
            return jobs.away_value(error.told, language_of(request))
        return gr.skip()


def _label(key: str) -> Any:
    return word(key)  # gradio says `str`, and takes a translated one


def _identity(value: Any) -> str:
    """An experiment's id as a browser gives it back: data from outside."""
    return value if isinstance(value, str) and re.fullmatch(r"[0-9a-f]{32}", value) else ""
