"""Where the page's own scripts and styles are fetched from."""

from __future__ import annotations

from pathlib import PurePosixPath

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from webui.http.weight import FOR_GOOD
from webui.ui.widgets.sources import served, version

MEDIA_TYPES = {".js": "text/javascript", ".css": "text/css"}


def script_routes() -> APIRouter:
    """`GET /page/VERSION/PLACE`, as `webui.ui.widgets.sources.address` names it."""
    router = APIRouter()

    @router.get("/page/{asked}/{place:path}")
    def script(asked: str, place: str) -> Response:
        if asked != version() or place not in served():
            raise HTTPException(404, "There is no such script.")
        kind = MEDIA_TYPES[PurePosixPath(place).suffix]
        return Response(served()[place], media_type=kind, headers={"cache-control": FOR_GOOD})

    return router
