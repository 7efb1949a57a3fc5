"""Where the page's own modules are fetched from."""

from __future__ import annotations

from fastapi import APIRouter, HTTPException
from starlette.responses import Response

from webui.http.weight import FOR_GOOD
from webui.ui.widgets.sources import scripts, version


def script_routes() -> APIRouter:
    """`GET /page/VERSION/PLACE`, as `webui.ui.widgets.sources.address` names it."""
    router = APIRouter()

    @router.get("/page/{asked}/{place:path}")
    def script(asked: str, place: str) -> Response:
        if asked != version() or place not in scripts():
            raise HTTPException(404, "There is no such script.")
        headers = {"cache-control": FOR_GOOD}
        return Response(
            scripts()[place], media_type="text/css" if place.endswith(".css") else "text/javascript", headers=headers
        )

    return router
