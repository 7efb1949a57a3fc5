"""Pictures made again and compared: what differs, side by side, and the routes of the History tab that verify many."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import FileResponse, Response

from webui.archive.history import History
from webui.remade import DIFFERENCE, NOW, Remade
from webui.running import JobStatus
from webui.service import GenerationService
from webui.ui.answers import faults_as_answers
from webui.ui.handlers import escaped
from webui.ui.words import Language, language_of, translate
from webui.ui.words.models import reason
from webui.verify import AgainReport, amplification

BEFORE = "before"
ROUTE = "/history/verify"
RESULTS = 100  # in one answer
_CACHE = "private, max-age=31536000, immutable"  # a job's pictures never change

Address = Callable[[str], str]  # of a picture, by its opaque id
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]


class Chosen(BaseModel):
    """Pictures to be made again."""

    ids: Annotated[list[Identity], Field(max_length=20_000)]


def pair_html(remade: Remade, job: str, place: int, report: AgainReport, language: Language) -> str:
    """The file's picture, the one made now, and the difference made visible; nothing when they are not kept."""
    if report.identical or remade.find(job, place, NOW) is None:
        return ""
    shown = [(BEFORE, translate("proof_before", language)), (NOW, translate("proof_now", language))]
    if remade.find(job, place, DIFFERENCE) is not None:
        factor = amplification(report.max_difference)
        shown.append((DIFFERENCE, translate("proof_difference", language, factor=factor)))
    figures = "".join(
        f'<figure><a href="{url}" target="_blank" rel="noopener"><img src="{url}" loading="lazy" alt="{escaped(told)}">'
        f"</a><figcaption>{escaped(told)}</figcaption></figure>"
        for url, told in ((f"{ROUTE}/{job}/{place}/{which}", told) for which, told in shown)
    )
    return f'<div class="proof-pair">{figures}</div>'


def notes_html(notes: Iterable[str], language: Language) -> str:
    """What became of the files a picture was made with."""
    return "".join(f'<p class="again-note">{escaped(reason(note, language))}</p>' for note in notes)


def report_html(report: AgainReport, language: Language, pair: str = "") -> str:
    """`identical`, or how far it differs and which recorded fact differs, with the `pair_html` of the two."""
    name = f'<p class="note">{escaped(Path(report.path).name)}</p>'
    if report.cannot is not None:
        head, told = escaped(translate("again_cannot", language)), escaped(reason(report.cannot, language))
        return f'<div class="report fault" data-result="cannot"><b>{head}</b><p>{told}</p>{name}</div>'
    note = notes_html(report.notes, language) + name
    if report.identical:
        head, detail = (escaped(translate(key, language)) for key in ("again_identical", "again_identical_detail"))
        return f'<div class="report same" data-result="identical"><b>{head}</b><p>{detail}</p>{note}</div>'
    head = translate("again_differs", language, count=f"{report.different_pixels:,}", max=report.max_difference)
    because = "".join(f"<li>{escaped(one)}</li>" for one in report.because)
    title = escaped(translate("again_because", language))
    return (
        f'<div class="report other" data-result="differs"><b>{escaped(head)}</b><p>{_measures(report)}</p>'
        f"<p>{title}</p><ul>{because}</ul>{note}{pair}</div>"
    )


def _measures(report: AgainReport) -> str:
    """Signs and numbers: the same in every language."""
    found = [f"Ø {report.mean_difference:.2f}"]
    found += [f"PSNR {report.psnr:.1f} dB"] if report.psnr is not None else []
    found += [f"SSIM {report.ssim:.4f}"] if report.ssim is not None else []
    return " · ".join(found)


def verdict(report: AgainReport) -> str:
    if report.cannot is not None:
        return "cannot"
    return "identical" if report.identical else "differs"


def proof_routes(service: GenerationService, history: History, thumb_url: Address) -> APIRouter:
    """The routes under `ROUTE`."""
    router = APIRouter(prefix=ROUTE)
    _add_running(router, service, history)
    _add_looking(router, service, history, thumb_url)
    return router


def _add_running(router: APIRouter, service: GenerationService, history: History) -> None:
    @router.post("")
    def verify(request: Request, chosen: Chosen) -> dict[str, str]:
        """Queues making them again; the job's id."""
        with faults_as_answers(request):
            paths = [entry.saved.path for entry in history.entries(chosen.ids)]
            return {"job": service.submit_again(*paths)}

    @router.post("/{job}/cancel")
    def cancel(job: str) -> dict[str, str]:
        _again_job(service, job)
        service.cancel(job)
        return {}


def _add_looking(router: APIRouter, service: GenerationService, history: History, thumb_url: Address) -> None:
    @router.get("/{job}")
    def look(request: Request, response: Response, job: str, after: int = 0) -> dict[str, Any]:
        """How far it is, and what was found of the pictures from `after` on."""
        response.headers["cache-control"] = "no-store"
        status, language = _again_job(service, job), language_of(request)
        start = max(0, after)
        results = [
            {
                "verdict": verdict(report),
                "thumb": thumb_url(history.identity(Path(report.path))),
                "html": report_html(report, language, pair_html(service.remade, job, place, report, language)),
            }
            for place, report in enumerate(status.reports[start : start + RESULTS], start)
        ]
        return _progress(status) | {"results": results}

    @router.get("/{job}/{place}/{which}")
    def picture(job: str, place: int, which: str) -> FileResponse:
        reports = _again_job(service, job).reports
        if not 0 <= place < len(reports):
            raise HTTPException(404, "There is no such picture.")
        file = Path(reports[place].path) if which == BEFORE else service.remade.find(job, place, which)
        if file is None or not file.is_file():
            raise HTTPException(404, "There is no such picture.")
        return FileResponse(file, headers={"cache-control": _CACHE})


def _progress(status: JobStatus) -> dict[str, Any]:
    found = [verdict(report) for report in status.reports]
    within = status.step / status.steps if status.steps and not status.finished else 0
    return {
        "state": status.state,
        "done": len(found),
        "total": status.images,
        "share": min(1.0, (len(found) + within) / status.images),
        "counts": {name: found.count(name) for name in ("identical", "differs", "cannot")},
        "error": status.error or "",
    }


def _again_job(service: GenerationService, job: str) -> JobStatus:
    status = service.status(job)
    if status is None or status.kind != "again":
        raise HTTPException(404, "There is no such run.")
    return status
