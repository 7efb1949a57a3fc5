"""The routes by which the painter has things selected by clicks."""

from __future__ import annotations

import io
import threading
from typing import Annotated, Any

from fastapi import APIRouter, Request
from pydantic import BaseModel, Field
from starlette.responses import Response

from pipelines.boxes import Click
from pipelines.errors import Cancelled, InvalidRequest, Note
from pipelines.types import Progress
from webui.archive.inputs import InputStore
from webui.http.answers import faults_as_answers
from webui.jobs.service import GenerationService
from webui.words import language_of, say

PREFIX = "/select"
MOST = 200  # clicks on one thing


class Clicked(BaseModel):
    """A picture by its hash in the input store, and where it was clicked."""

    source: Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]
    clicks: Annotated[list[Click], Field(min_length=1, max_length=MOST)]


def selecting_routes(service: GenerationService, inputs: InputStore) -> APIRouter:
    """The routes under `PREFIX`."""
    router, newest = APIRouter(prefix=PREFIX), _Newest()

    @router.get("")
    def offered(request: Request, response: Response) -> dict[str, Any]:
        """Why nothing can be selected; "": it can."""
        response.headers["cache-control"] = "no-store"
        missing = "" if service.segmenters() else say(Note("segmenter_missing"), language_of(request))
        return {"missing": missing}

    @router.post("")
    def select(request: Request, clicked: Clicked) -> Response:
        """The mask: a PNG of the picture's size, white where the thing is."""
        turn = newest.begin()

        def on_progress(progress: Progress) -> None:
            if newest.is_over(turn):
                raise Cancelled("clicked_again")

        with faults_as_answers(request):
            image = inputs.get(clicked.source).convert("RGB")
            for x, y, _ in clicked.clicks:
                if not (0 <= x <= image.width and 0 <= y <= image.height):
                    size = {"width": image.width, "height": image.height}
                    raise InvalidRequest("clicks", "click_outside", x=round(x), y=round(y), **size)
            mask = service.selected(image, clicked.clicks, on_progress)
        written = io.BytesIO()
        mask.save(written, "PNG")
        return Response(written.getvalue(), media_type="image/png", headers={"cache-control": "no-store"})

    return router


class _Newest:
    """Of those who wait for a picture that is being made only the last one goes on waiting."""

    def __init__(self) -> None:
        self._guard, self._count = threading.Lock(), 0

    def begin(self) -> int:
        with self._guard:
            self._count += 1
            return self._count

    def is_over(self, turn: int) -> bool:
        return turn != self._count
