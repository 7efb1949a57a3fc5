"""The routes by which the Process tab makes animations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from starlette.responses import Response

from pipelines.kinds import TEXT_LIMIT
from pipelines.types import GenerationRequest
from webui.animation.beginning import begun_of
from webui.animation.moving import ENDINGS
from webui.animation.reading import title
from webui.animation.runner import Animations, Run
from webui.http.answers import faults_as_answers
from webui.http.files import MEDIA_TYPES
from webui.jobs.status import JobStatus
from webui.lab.planning import estimate
from webui.parts import Parts
from webui.process.experiments import base_of
from webui.words import Language, language_of, say

PREFIX = "/animations"
SHOWN = 20  # of the newest
NAME = 80  # characters
Identity = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]
Fits = Callable[[GenerationRequest, Language], str]


class Asked(BaseModel):
    text: Annotated[str, Field(max_length=TEXT_LIMIT)]


def animation_routes(parts: Parts, fits: Fits) -> APIRouter:
    """The routes under `PREFIX`. `fits`: what a request takes of the memory, in words."""
    router = APIRouter(prefix=PREFIX)
    animations = parts.animations

    @router.get("")
    def recent(response: Response) -> dict[str, Any]:
        """The newest, by what they are called."""
        response.headers["cache-control"] = "no-store"
        found = animations.recent(SHOWN)
        return {"items": [{"id": one, "text": text, "name": title(text)[:NAME]} for one, text in found]}

    @router.post("/plan")
    def plan(request: Request, asked: Asked) -> dict[str, str]:
        """What it will cost, and whether it fits."""
        language = language_of(request)
        with faults_as_answers(request):
            animation, cost = animations.plan(asked.text)
        return {
            "told": " ".join(
                filter(None, (estimate(cost, language), fits(animation.requests[animation.frames // 2], language)))
            )
        }

    @router.post("")
    def begin(request: Request, asked: Asked) -> dict[str, str]:
        with faults_as_answers(request):
            return {"id": animations.begin(asked.text)}

    @router.get("/of/{picture}")
    def begun(request: Request, picture: Identity) -> dict[str, str]:
        """The text that begins with the settings of a picture."""
        saved = parts.find(picture)
        if saved is None:
            raise HTTPException(404, "There is no such picture.")
        with faults_as_answers(request):
            return {"text": begun_of(base_of(saved.path))}

    _of_one(router, animations)
    return router


def _of_one(router: APIRouter, animations: Animations) -> None:
    """The routes of an animation that was begun."""

    @router.get("/{identity}")
    def look(request: Request, response: Response, identity: Identity) -> dict[str, Any]:
        """How far it is."""
        response.headers["cache-control"] = "no-store"
        with faults_as_answers(request):
            run, job = _found(animations, identity)
            return _told(run, job, animations.pictures(run), language_of(request))

    @router.post("/{identity}/cancel")
    def cancel(request: Request, identity: Identity) -> dict[str, str]:
        with faults_as_answers(request):
            animations.cancel(identity)
        return {}

    @router.get("/{identity}/{kind}")
    def film(request: Request, identity: Identity, kind: str) -> Response:
        """The file that moves, to be saved."""
        with faults_as_answers(request):
            run, _ = _found(animations, identity)
            if kind not in ENDINGS or run.state != "done":
                raise HTTPException(404, "There is no such film.")
            data = animations.film(run, kind)
        name = f'attachment; filename="animation-{identity[:8]}{ENDINGS[kind]}"'
        return Response(data, media_type=MEDIA_TYPES[ENDINGS[kind]], headers={"content-disposition": name})


def _found(animations: Animations, identity: str) -> tuple[Run, JobStatus | None]:
    found = animations.get(identity)
    if found is None:
        raise HTTPException(404, "There is no such animation.")
    return found


def _told(run: Run, job: JobStatus | None, pictures: list[str], language: Language) -> dict[str, Any]:
    return {
        "state": run.state,
        "frames": run.animation.frames,
        "fps": run.animation.rate,
        "pictures": pictures,
        "step": 0 if job is None else job.step,
        "steps": 0 if job is None else job.steps,
        "held": "" if job is None or job.held is None else say(job.held, language),
        "error": "" if run.error is None else say(run.error, language),
    }
