"""What the header of the page asks for as long as somebody looks: how the engine is, and what else there is to know."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Request, Response
from fastapi import Path as InPath

from webui.http.answers import faults_as_answers
from webui.jobs.service import GenerationService
from webui.notices import Notices
from webui.ui.house import engine_line
from webui.words import language_of, say

Identity = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$")]


def notice_routes(service: GenerationService, notices: Notices) -> APIRouter:
    """The routes under /notices."""
    router = APIRouter(prefix="/notices")

    @router.get("")
    def look(request: Request, response: Response) -> dict[str, Any]:
        response.headers["cache-control"] = "no-store"
        language = language_of(request)
        items = [{"id": one.id, "text": say(one.note, language)} for one in notices()]
        return engine_line(service.engine_state(), language) | {"items": items}

    @router.post("/{identity}/dismiss")
    def dismiss(request: Request, identity: Identity) -> dict[str, str]:
        with faults_as_answers(request):
            notices.dismiss(identity)
        return {}

    return router
