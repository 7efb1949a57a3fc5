"""The routes by which the canvas and the History tab make pictures larger."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from starlette.responses import Response

from pipelines.errors import InvalidRequest
from pipelines.fields import field_of
from pipelines.groups import Upscale
from webui.archive.history import History
from webui.http.answers import faults_as_answers
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus
from webui.words import Language, choice_key, language_of, say, translate

PREFIX = "/history/upscale"
MOST = 1000  # pictures at once
_BY: Any = field_of(Upscale, "upscale_by")
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Job = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]


class Chosen(BaseModel):
    """Pictures, and how each is made larger. Values are the request's business."""

    ids: Annotated[list[Identity], Field(min_length=1, max_length=MOST)]
    by: Any = None
    upscaler: Any = None


def upscale_routes(service: GenerationService, history: History) -> APIRouter:
    """The routes under `PREFIX`."""
    router = APIRouter(prefix=PREFIX)

    @router.get("")
    def offered(request: Request, response: Response) -> dict[str, Any]:
        """By what, and how much."""
        response.headers["cache-control"] = "no-store"
        language = language_of(request)
        upscalers = [{"name": name, "text": _called(name, language)} for name in service.upscalers()]
        return {"upscalers": upscalers, "by": {"low": _BY.kind.low, "high": _BY.kind.high, "begin": _BY.default}}

    @router.post("")
    def enlarge(request: Request, chosen: Chosen) -> dict[str, list[str]]:
        """Queues all of them, or none; the jobs' ids."""
        wanted = {name: value for name in ("by", "upscaler") if (value := getattr(chosen, name)) is not None}
        with faults_as_answers(request):
            paths = history.paths(chosen.ids)
            if (missing := len(set(chosen.ids)) - len(paths)) > 0:
                raise InvalidRequest("files", "pictures_unknown", count=missing)
            return {"jobs": service.submit_upscales(paths, **wanted)}

    @router.get("/{job}")
    def look(request: Request, response: Response, job: Job) -> dict[str, Any]:
        """How far one is, and the larger picture."""
        response.headers["cache-control"] = "no-store"
        with faults_as_answers(request):
            return _told(_found(service, job), history, language_of(request))

    return router


def _called(name: str, language: Language) -> str:
    key = choice_key("hires_upscaler", name)
    return name if key is None else translate(key, language)


def _found(service: GenerationService, job: str) -> JobStatus:
    status = service.status(job)
    if status is None or status.kind != "generate":
        raise HTTPException(404, "There is no such run.")
    return status


def _told(status: JobStatus, history: History, language: Language) -> dict[str, Any]:
    return {
        "state": status.state,
        "share": status.step / status.steps if status.steps else 0.0,
        "error": "" if status.error is None else say(status.error, language),
        "held": "" if status.held is None else say(status.held, language),
        "ids": [history.identity(saved.path) for saved in status.saved],
    }
