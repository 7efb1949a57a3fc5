"""What was made before: looked up in the table, believed only after a look at the file."""

from __future__ import annotations

from pathlib import Path

from PIL.Image import Image

from pipelines.types import GenerationRequest, ModelInfo
from webui.archive.inputs import InputStore
from webui.archive.metadata import request_to_json
from webui.archive.store import ImageStore
from webui.jobs import choices
from webui.jobs.durations import record_of
from webui.jobs.service import GenerationService
from webui.lab.experiments import canonical
from webui.lab.store import Known, LabTable
from webui.proof.resources import naming


class _Once(InputStore):
    """Knows a picture that it has kept lately: all cells of an experiment begin with the same one."""

    MOST = 16

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._kept: dict[int, tuple[Image, str]] = {}  # the picture too: its id is its own as long as it lives

    def put(self, image: Image) -> str:
        if id(image) not in self._kept:
            if len(self._kept) == self.MOST:
                self._kept.clear()
            self._kept[id(image)] = image, super().put(image)
        return self._kept[id(image)][1]


class Finished:
    """Finds the picture of a request that was made before. A fresh one for each look: it remembers the models."""

    def __init__(self, service: GenerationService, store: ImageStore, table: LabTable) -> None:
        self._service, self._store, self._table = service, store, table
        self._inputs = _Once(store.inputs.folder)
        self._models = {model.name: model for model in service.models()}
        self._stamps: dict[str, str] = {}

    def find(self, request: GenerationRequest) -> Path | None:
        """The file that holds exactly this request, made by exactly this model; None when there is none any more.
        Raises Unavailable when the folder of pictures is gone: then nothing is known of them."""
        text = self._text(request)
        model = self._models.get(request.model)
        for known in self._table.known(text):
            record = record_of(known.path)
            if record is None or canonical(choices.asked(record.settings)) != text:
                self._store.look()
                self._table.forget(text, known.path)  # deleted, or another picture has its name now
            elif model is not None and self._same_model(model, known):
                return known.path
        return None

    def note(self, request: GenerationRequest, path: Path) -> None:
        """A picture was just made of this request."""
        record, model = record_of(path), self._models.get(request.model)
        if record is not None and model is not None:
            text = self._text(request)
            known = Known(path=path, model_sha256=record.model_sha256, model_stamp=self._stamp(model))
            self._table.note(text, known)

    def _text(self, request: GenerationRequest) -> str:
        data = request_to_json(self._service.settled(request), self._inputs)
        return canonical(choices.asked(data) if request.template is None else data)

    def _same_model(self, model: ModelInfo, known: Known) -> bool:
        """By hash; as long as the model's hash is not computed, by its file's size and time."""
        if model.sha256 is not None and known.model_sha256 is not None:
            return model.sha256 == known.model_sha256
        return self._stamp(model) == known.model_stamp

    def _stamp(self, model: ModelInfo) -> str:
        if model.name not in self._stamps:
            self._stamps[model.name] = stamp(Path(model.path)) if model.path else ""
        return self._stamps[model.name]


def stamp(path: Path) -> str:
    """Size and newest time of a file, or of all files of a folder."""
    try:
        files = [path] if path.is_file() else sorted(one for one in path.rglob("*") if one.is_file())
        facts = [one.stat() for one in files]
    except OSError:
        return ""
    newest = max((fact.st_mtime_ns for fact in facts), default=0)
    return f"{sum(fact.st_size for fact in facts)}:{newest}"


def still_gives(service: GenerationService, job_id: str) -> bool:
    """Whether this job still gives its picture, or has."""
    job = service.status(job_id)
    if job is None or job.state in {"failed", "cancelled"}:
        return False
    return not job.finished or bool(job.saved and job.saved[0].path.is_file())


def check_requests(service: GenerationService, requests: list[GenerationRequest]) -> None:
    """Raises InvalidRequest for what the service would refuse: a model that is not there, words it cannot follow."""
    named = {tuple(naming(item).items()): item for item in requests}
    for request in named.values():
        service.check(service.settled(request))
