"""The networks for the page's drawer: what there is, the picture of each, and how one is made."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, HTTPException, Request
from fastapi import Path as InPath
from pydantic import BaseModel, Field
from starlette.responses import Response

from pipelines.errors import UnreadableImage
from webui.http.answers import faults_as_answers
from webui.http.files import FOR_GOOD
from webui.networks.cards import Card, fits
from webui.networks.previews import key_of
from webui.parts import Parts
from webui.ui.models.view import family_title, size_text
from webui.words import Language, language_of, line, model_title, say

PREFIX = "/networks"
Identity = Annotated[str, InPath(pattern=r"^[0-9a-f]{16}$")]
Job = Annotated[str, InPath(pattern=r"^[0-9a-f]{32}$")]


class Chosen(BaseModel):
    """The model of the form."""

    model: Annotated[str, Field(max_length=1000)] = ""


def network_routes(parts: Parts) -> APIRouter:
    """The routes under /networks."""
    router = APIRouter(prefix=PREFIX)

    @router.get("")
    def look(request: Request, response: Response) -> dict[str, Any]:
        response.headers["cache-control"] = "no-store"
        language = language_of(request)
        with faults_as_answers(request):
            cards = parts.cards.all()
        families = {card.info.family for card in cards if card.kind == "checkpoint"}
        return {"cards": [_told(card, families, language) for card in cards]}

    @router.get("/{identity}/picture")
    def picture(identity: Identity) -> Response:
        """Small, and decoded where it may harm nothing; its address tells when it was changed."""
        card = _found(parts, identity)
        if card.picture is None:
            raise HTTPException(404, "There is no such picture.")
        try:
            data = parts.thumbnails.get(card.picture)
        except UnreadableImage as error:
            raise HTTPException(404, line(error)) from error
        return Response(data, media_type="image/jpeg", headers={"cache-control": FOR_GOOD})

    @router.post("/{identity}/picture")
    def make(request: Request, identity: Identity, chosen: Chosen) -> dict[str, str]:
        """Queues a picture of it; the job's id."""
        card = _found(parts, identity)
        with faults_as_answers(request):
            wish = parts.cards.portrait(card, chosen.model)
            return {"job": parts.service.submit_preview(wish, key_of(card.info), card.info.name)}

    @router.get("/{identity}/picture/{job}")
    def making(request: Request, response: Response, identity: Identity, job: Job) -> dict[str, Any]:
        """How far its picture is."""
        response.headers["cache-control"] = "no-store"
        with faults_as_answers(request):
            status = parts.service.status(job)
        if status is None or status.kind != "preview":
            raise HTTPException(404, "There is no such run.")
        error = "" if status.error is None else say(status.error, language_of(request))
        return {"state": status.state, "error": error, "picture": _address(_found(parts, identity))}

    return router


def _found(parts: Parts, identity: str) -> Card:
    card = parts.cards.find(identity)
    if card is None:
        raise HTTPException(404, "There is no such network.")
    return card


def _address(card: Card) -> str:
    """Where the small picture is; "" where there is none."""
    try:
        changed = 0 if card.picture is None else card.picture.stat().st_mtime_ns
    except OSError:
        changed = 0
    return f"{PREFIX}/{card.id}/picture?v={changed:x}" if changed else ""


def _told(card: Card, families: set[str], language: Language) -> dict[str, Any]:
    info, beside = card.info, card.beside
    return {
        "id": card.id,
        "model": info.name,
        "name": model_title(info.name, language),
        "kind": card.kind,
        "folder": card.folder,
        "family": info.family,
        "title": family_title(info, language) or beside.base,
        "size": size_text(info.bytes),
        "about": " · ".join(filter(None, [beside.title, beside.about])),
        "tag": card.tag,
        "words": list(beside.words),
        "negative": beside.negative,
        "used": card.used or 0,
        "picture": _address(card),
        "problem": "" if card.problem is None else say(card.problem, language),
        "fits": sorted(family for family in families if fits(card, family)),
    }
