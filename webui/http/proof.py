"""The routes of the History tab that make many pictures again."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, Response

from webui.archive.history import History
from webui.http.answers import faults_as_answers
from webui.http.files import file_response
from webui.jobs.service import GenerationService
from webui.jobs.status import JobStatus
from webui.ui.again.proof import BEFORE, ROUTE, pair_html, report_html
from webui.ui.house import thumb_url
from webui.words import Language, language_of, say

RESULTS = 100  # in one answer
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Chosen(BaseModel):
    """Pictures to be made again."""

    ids: Annotated[list[Identity], Field(max_length=20_000)]


def proof_routes(service: GenerationService, history: History) -> APIRouter:
    """The routes under `ROUTE`."""
    router = APIRouter(prefix=ROUTE)
    _add_running(router, service, history)
    _add_looking(router, service, history)
    return router


def _add_running(router: APIRouter, service: GenerationService, history: History) -> None:
    @router.post("")
    def verify(request: Request, chosen: Chosen) -> dict[str, str]:
        """Queues making them again; the job's id."""
        with faults_as_answers(request):
            return {"job": service.submit_again(*history.paths(chosen.ids))}

    @router.post("/{job}/cancel")
    def cancel(request: Request, job: str) -> dict[str, str]:
        with faults_as_answers(request):
            _again_job(service, job)
            service.cancel(job)
        return {}


def _add_looking(router: APIRouter, service: GenerationService, history: History) -> None:
    @router.get("/{job}")
    def look(request: Request, response: Response, job: str, after: int = 0) -> dict[str, Any]:
        """How far it is, and what was found of the pictures from `after` on."""
        response.headers["cache-control"] = "no-store"
        status, language = _again_job(service, job), language_of(request)
        start = max(0, after)
        results = [
            {
                "id": history.identity(Path(report.path)),
                "verdict": report.verdict,
                "thumb": thumb_url(history.identity(Path(report.path))),
                "html": report_html(report, language, pair_html(service.remade, job, place, report, language)),
            }
            for place, report in enumerate(status.reports[start : start + RESULTS], start)
        ]
        return _progress(status, language) | {"results": results}

    @router.get("/{job}/{place}/{which}")
    def picture(job: str, place: int, which: str) -> FileResponse:
        reports = _again_job(service, job).reports
        if not 0 <= place < len(reports):
            raise HTTPException(404, "There is no such picture.")
        file = Path(reports[place].path) if which == BEFORE else service.remade.find(job, place, which)
        if file is None or not file.is_file():
            raise HTTPException(404, "There is no such picture.")
        return file_response(file)


def _progress(status: JobStatus, language: Language) -> dict[str, Any]:
    found = [report.verdict for report in status.reports]
    within = status.step / status.steps if status.steps and not status.finished else 0
    return {
        "state": status.state,
        "done": len(found),
        "total": status.images,
        "share": min(1.0, (len(found) + within) / status.images),
        "counts": {name: found.count(name) for name in ("identical", "differs", "cannot")},
        "error": "" if status.error is None else say(status.error, language),
    }


def _again_job(service: GenerationService, job: str) -> JobStatus:
    status = service.status(job)
    if status is None or status.kind != "again":
        raise HTTPException(404, "There is no such run.")
    return status
