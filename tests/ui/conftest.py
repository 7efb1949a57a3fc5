"""The whole page on the fake engine, without a port: the application behind a test client."""

from __future__ import annotations

import gc
import json
import re
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from pipelines.engines.fake import FakeEngine
from webui.jobs.status import JobStatus
from webui.kept.settings import Settings
from webui.parts import Parts, build_parts
from webui.server import build_application, prepare_environment


@dataclass
class Page:
    """`call` runs one event of the page as the browser would: by name, with the page's own values unless given."""

    client: TestClient
    parts: Parts
    engine: FakeEngine
    outputs: Path
    config: dict[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.config = self.client.get("/config").json()
        self.components = {one["id"]: one for one in self.config["components"]}
        self.fields = {  # elem_ids of what a filled form reaches
            self.name_of(output)
            for one in self.config["dependencies"]
            if [target[:1] for target in one["targets"]] == [[self.identity("form_filled")]]
            for output in one["outputs"]
        }
        self.events = {one["api_name"]: one for one in self.config["dependencies"] if one["backend_fn"]}

    def name_of(self, identity: int) -> str:
        properties = self.components[identity]["props"]
        return str(properties.get("elem_id") or properties.get("storage_key") or identity)

    def identity(self, name: str) -> int:
        return next(one for one in self.components if self.name_of(one) == name)

    def call(self, event: str, values: dict[str, Any] | None = None, language: str = "en") -> dict[str, Any]:
        """elem_id (or storage key) -> what the event gives it; of one that goes on and on what it gives first."""
        answer = self._post("run", event, values, language)
        return self._named(event, answer.json()["data"])

    def watch(self, event: str, values: dict[str, Any] | None = None, language: str = "en") -> dict[str, Any]:
        """The same of an event that goes on, at its end."""
        identity = self._post("call", event, values, language).json()["event_id"]
        told = self.client.get(f"/gradio_api/call/{event}/{identity}").text
        found: dict[str, Any] = {}
        for line in re.findall(r"^event: generating\ndata: (.*)$", told, re.MULTILINE):
            outputs = self._named(event, json.loads(line))
            found |= {name: one for name, one in outputs.items() if name not in found or not is_skipped(one)}
        assert found, told
        return found

    def _post(self, route: str, event: str, values: dict[str, Any] | None, language: str) -> Any:
        known, given = self.events[event], dict(values or {})
        data = [given.pop(self.name_of(one), self.components[one]["props"].get("value")) for one in known["inputs"]]
        assert not given, f"{event} has no {sorted(given)}"
        answer = self.client.post(
            f"/gradio_api/{route}/{event}",
            content=json.dumps({"data": data}),  # not the client's own: that sends no half of a surrogate pair
            headers={"accept-language": language, "content-type": "application/json"},
        )
        assert answer.status_code == 200, answer.text
        return answer

    def _named(self, event: str, outputs: list[Any]) -> dict[str, Any]:
        """Where the event fills in the form, its fields are among them, those that it leaves as they are too."""
        told = dict(zip(map(self.name_of, self.events[event]["outputs"]), outputs, strict=True))
        if "form_filled" not in told:
            return told
        filled = told.pop("form_filled")
        fields = json.loads(filled)["fields"] if isinstance(filled, str) else {}
        return {name: {"__type__": "update"} for name in self.fields} | fields | told

    def generate(self, task: str = "txt2img", values: dict[str, Any] | None = None) -> JobStatus:
        """Submits and waits; the finished job."""
        answer = self.call("form_submit", {"task": task, **(values or {})})
        assert isinstance(answer["seedprint-jobs"], list), answer
        return self.finished(answer["seedprint-jobs"][-1])

    def finished(self, job: str) -> JobStatus:
        service = self.parts.service
        status = service.status(job)
        while status is not None and not status.finished:
            status = service.wait(job, status.version, 5)
        assert status is not None
        return status


def is_skipped(output: Any) -> bool:
    """Whether an answer leaves that component as it is."""
    return isinstance(output, dict) and "__type__" in output and output.keys() <= {"__type__", "props"}


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gradio makes event loops that it never closes, one for many a component; its queue asks pandas for what is on its
    way out."""
    for item in items:
        if "tests/ui/" in item.path.as_posix():
            item.add_marker(pytest.mark.filterwarnings("ignore:unclosed:ResourceWarning"))
            item.add_marker(pytest.mark.filterwarnings("ignore:'future.no_silent_downcasting' is deprecated"))
            item.add_marker(pytest.mark.filterwarnings("ignore:The copy keyword is deprecated"))


@pytest.fixture(scope="module", autouse=True)
def _left_loops() -> Iterator[None]:
    """... and are found here, not in another test."""
    yield
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ResourceWarning)
        gc.collect()


@contextmanager
def opened(folder: Path, outputs: Path, models: Sequence[Path] = ()) -> Iterator[Page]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(folder))  # put back afterwards
        folder.mkdir(parents=True, exist_ok=True)
        patch.chdir(folder)  # likewise
        prepare_environment(folder)
        settings = Settings(output_dir=outputs, models_dirs=(folder,), data_dir=folder, engine="fake")
        engine = FakeEngine(folders=models)
        with build_parts(settings, engine, folder) as parts:
            parts.service.start()
            with TestClient(build_application(parts)) as client:
                yield Page(client, parts, engine, settings.output_dir)


@pytest.fixture(scope="module")
def ui(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    folder = tmp_path_factory.mktemp("page")
    with opened(folder, folder / "outputs") as page:
        yield page
