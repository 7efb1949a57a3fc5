"""What the page asks for as long as somebody looks: what runs and what waits, whoever asked for it, and how it is
ended; how the engine is, and what else there is to know."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from pipelines.errors import StorageError
from webui.http.answers import faults_as_answers
from webui.jobs.service import GenerationService
from webui.jobs.status import Queued
from webui.notices import Notice
from webui.ui.house import device_line, engine_line
from webui.words import WORDS, Language, language_of, say, translate

SHOWN = 50  # jobs in one answer
ABOUT = 120  # characters
Identity = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]


def queue_routes(service: GenerationService, notices: Callable[[], Sequence[Notice]]) -> APIRouter:
    """The routes under /queue."""
    router = APIRouter(prefix="/queue")

    @router.get("")
    def look(request: Request, response: Response) -> dict[str, Any]:
        """The first jobs, how many there are, and why nothing goes on; without the database, only the last. How the
        engine is, and what else there is to know."""
        response.headers["cache-control"] = "no-store"
        language = language_of(request)
        told = [{"id": one.id, "text": say(one.note, language)} for one in notices()]
        devices = service.devices()
        others = {
            "engine": engine_line(service.engine_state(), language),
            "devices": [device_line(one, language) for one in devices] if len(devices) > 1 else [],
            "notices": told,
        }
        return _listed(service, language) | others

    @router.post("/cancel")
    def cancel_all(request: Request) -> dict[str, int]:
        with faults_as_answers(request):
            return {"count": service.cancel_all()}

    @router.post("/again")
    def try_again() -> dict[str, str]:
        service.try_again()
        return {}

    @router.post("/{job}/cancel")
    def cancel(request: Request, job: Identity) -> dict[str, str]:
        with faults_as_answers(request):
            service.cancel(job)
        return {}

    return router


def _listed(service: GenerationService, language: Language) -> dict[str, Any]:
    held = service.held
    try:
        found, total = service.queue(SHOWN)
    except StorageError as error:
        return {"items": [], "total": 0, "held": say(held or error.told, language)}
    items = [_row(one, language) for one in found]
    return {"items": items, "total": total, "held": "" if held is None else say(held, language)}


def _row(one: Queued, language: Language) -> dict[str, Any]:
    keys = (f"tab_{one.kind}", f"job_{one.kind}")
    kind = next((translate(key, language) for key in keys if key in WORDS), one.kind)
    state = translate(f"queue_{one.state}", language) if f"queue_{one.state}" in WORDS else one.state
    state = " · ".join(filter(None, (state, one.device)))
    about = one.about if len(one.about) <= ABOUT else one.about[:ABOUT] + " …"
    return {"id": one.id, "kind": kind, "about": about, "state": state, "done": f"{one.image} / {one.images}"}
