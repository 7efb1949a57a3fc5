"""What a person should know, until they say that they do; the queue's answer tells it (`queue.py`)."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Request
from fastapi import Path as InPath

from webui.http.answers import faults_as_answers
from webui.notices import Notices

Identity = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$")]


def notice_routes(notices: Notices) -> APIRouter:
    """The routes under /notices."""
    router = APIRouter(prefix="/notices")

    @router.post("/{identity}/dismiss")
    def dismiss(request: Request, identity: Identity) -> dict[str, str]:
        with faults_as_answers(request):
            notices.dismiss(identity)
        return {}

    return router
