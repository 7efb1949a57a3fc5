"""What the History tab's script asks for and tells: pages of pictures, one picture, actions, downloads.

Plain routes and not gradio's events: a page of sixty pictures then costs a millisecond, and nothing grows with
scrolling.
They stand behind the same gate as everything else. Pictures travel by their opaque ids only.
"""

from __future__ import annotations

import re
import secrets
import threading
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, replace
from datetime import date
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, HTTPException, Request
from pydantic import BaseModel, Field
from starlette.responses import Response, StreamingResponse

from pipelines.errors import InvalidRequest, Note, UnreadableImage
from pipelines.types import ModelInfo
from webui.archive import export, metadata
from webui.archive.entries import UNKNOWN_SEED, Entry
from webui.archive.history import History, Page
from webui.archive.metadata import ReadBack
from webui.archive.search import Query, terms_of
from webui.archive.trash import Done, Trash
from webui.http.answers import faults_as_answers
from webui.library.other_names import OtherNames
from webui.parts import Parts
from webui.proof.badges import badge
from webui.proof.resources import matched
from webui.proof.sweep import barred
from webui.ui.again.tab import settings_table
from webui.ui.generate.handlers import escaped
from webui.ui.house import image_url, thumb_url
from webui.words import Language, fault, language_of, say

PAGE = 60  # pictures
PAGE_LIMIT = 200
_ALSO = "also:"  # before the place of a page that other names find
IDS_LIMIT = 20_000
PROMPT_SHOWN = 400  # characters
TICKETS = 16  # downloads asked for and not yet fetched

_WHOLE = {"width", "height", "seed", "rating"}
_DAYS = {"since", "until"}
_TRUTH = {"trashed", "lora"}
Small = Callable[[Path], bytes]  # the thumbnail of a picture
Identity = Annotated[str, Field(pattern=r"^[0-9a-f]{32}$")]
Identities = Annotated[list[Identity], Field(max_length=IDS_LIMIT)]


class Act(BaseModel):
    """Something to do with pictures. `value`: stars, a tag or a folder."""

    action: Literal["rate", "tag", "untag", "delete", "restore", "move", "erase"]
    ids: Identities
    value: str = Field("", max_length=400)


class Wanted(BaseModel):
    """A download."""

    kind: Literal["full", "prompt", "none", "sheet"]
    ids: Identities


class Tickets:
    """Downloads that a browser may fetch once: a link cannot carry thousands of ids."""

    def __init__(self) -> None:
        self._kept: OrderedDict[str, Wanted] = OrderedDict()
        self._lock = threading.Lock()

    def give(self, wanted: Wanted) -> str:
        ticket = secrets.token_hex(16)
        with self._lock:
            self._kept[ticket] = wanted
            while len(self._kept) > TICKETS:
                self._kept.popitem(last=False)
        return ticket

    def take(self, ticket: str) -> Wanted | None:
        with self._lock:
            return self._kept.pop(ticket, None)


def history_routes(parts: Parts) -> APIRouter:
    """The routes under /history/."""
    router = APIRouter(prefix="/history")
    history = parts.history
    show = Shown(parts.store.root)
    _add_pages(router, Searches(history, OtherNames(parts.library.categories)), show)
    _add_facets(router, history)
    _add_picture(router, history, show, parts.service.shelf.everything)
    _add_acting(router, history, Trash(history))
    _add_downloads(router, history, Tickets(), parts.thumbnails.get)
    return router


class Shown:
    """Entries as the script wants them."""

    def __init__(self, outputs: Path) -> None:
        self._outputs = outputs

    def __call__(self, entry: Entry) -> dict[str, Any]:
        saved = entry.saved
        return {
            "id": saved.id,
            "place": saved.path.relative_to(self._outputs).as_posix(),
            "url": image_url(saved.id),
            "thumb": thumb_url(saved.id),
            "kind": saved.kind,
            "seed": None if saved.seed == UNKNOWN_SEED else str(saved.seed),
            "width": saved.width,
            "height": saved.height,
            "task": saved.task,
            "prompt": saved.prompt[:PROMPT_SHOWN],
            "made": saved.made_at.isoformat(timespec="seconds"),
            "model": entry.model,
            "sampler": entry.sampler,
            "rating": entry.rating,
            "tags": list(entry.tags),
            "trashed": entry.trashed,
            "unreadable": not saved.width,
            "proof": entry.verdict,
            "score": None if entry.score is None else f"{entry.score.value:.3f} · {entry.score.judge}",
        }


class Searches:
    """Pages of a search: what the words themselves find, then what their other names in the library find."""

    def __init__(self, history: History, names: OtherNames) -> None:
        self.history, self._names = history, names

    def also(self, query: Query) -> Query | None:
        """The same by other names; None where the library has none."""
        groups = self._names.grouped(terms_of(query.words))
        return replace(query, groups=groups) if any(names for _, names in groups) else None

    def page(self, query: Query, limit: int, after: str | None) -> Page:
        """Raises InvalidRequest."""
        also = self.also(query)
        if also is not None and after is not None and after.startswith(_ALSO):
            return self._further(also, limit, after.removeprefix(_ALSO) or None)
        page = self.history.search(query, limit, after)
        if page.after is not None or also is None:
            return page
        left = limit - len(page.entries)
        if not left:
            return replace(page, after=_ALSO)
        rest = self._further(also, left, None)
        return replace(rest, entries=page.entries + rest.entries)

    def _further(self, also: Query, limit: int, after: str | None) -> Page:
        page = self.history.search(also, limit, after)
        return page if page.after is None else replace(page, after=f"{_ALSO}{page.after}")

    def count(self, query: Query) -> tuple[int, int, list[str]]:
        """How many the words find, how many more the other names do, and these."""
        also = self.also(query)
        exact = self.history.count(query)
        if also is None:
            return exact, 0, []
        return exact, self.history.count(also), list(dict.fromkeys(name for _, names in also.groups for name in names))


def _add_pages(router: APIRouter, searches: Searches, show: Shown) -> None:
    history = searches.history

    @router.get("/page")
    def page(request: Request, response: Response, after: str | None = None, limit: int = PAGE) -> dict[str, Any]:
        """One page; the first one says how many there are."""
        response.headers["cache-control"] = "no-store"
        with faults_as_answers(request):
            query = query_of(request.query_params)
            found = searches.page(query, max(1, min(limit, PAGE_LIMIT)), after)
            answer: dict[str, Any] = {"items": [show(entry) for entry in found.entries], "after": found.after}
            if after is None and "count" in request.query_params:
                exact, more, names = searches.count(query)
                answer |= {"count": exact + more, "also": {"count": more, "names": names}}
                answer["left_out"] = [say(note, language_of(request)) for note in history.left_out.told()]
            done, total = history.scanned
            return answer | {"scanned": done, "scanning": total}


def _add_facets(router: APIRouter, history: History) -> None:
    @router.get("/facets")
    def facets(request: Request, response: Response) -> dict[str, Any]:
        """What there is to filter by."""
        response.headers["cache-control"] = "no-store"
        with faults_as_answers(request):
            found = history.facets()
            return {
                "model": found.models,
                "sampler": found.samplers,
                "task": found.tasks,
                "size": [(f"{width}x{height}", count) for (width, height), count in found.sizes],
                "tag": found.tags,
                "folders": history.folders(),
            }


def _add_picture(router: APIRouter, history: History, show: Shown, shelf: Callable[[], Sequence[ModelInfo]]) -> None:
    @router.get("/picture/{identity}")
    def picture(request: Request, response: Response, identity: str) -> dict[str, Any]:
        """One picture with all its settings, what it was made from and what was made from it."""
        response.headers["cache-control"] = "no-store"
        with faults_as_answers(request):
            entry = history.entry(identity)
            if entry is None:
                raise HTTPException(404, "There is no such picture.")
            family, language = history.family(identity), language_of(request)
            back, told = _read(entry, language)
            return show(entry) | {
                "settings": told,
                "copied": (back.text or "") if back else "",
                "badge": _badge(entry, back, shelf, language),
                "parents": [show(one) for one in family.parents],
                "children": [show(one) for one in family.children],
            }


def _read(entry: Entry, language: Language) -> tuple[ReadBack | None, str]:
    """What the file says, and that as a table; or why it cannot be read."""
    try:
        back = metadata.read(entry.saved.path)
    except UnreadableImage as error:
        return None, f'<p class="note">{escaped(fault(error, language))}</p>'
    return back, settings_table(back, language)


def _badge(
    entry: Entry, back: ReadBack | None, shelf: Callable[[], Sequence[ModelInfo]], language: Language
) -> dict[str, Any]:
    """`can`: whether it may be made again now."""
    why: Note | None
    if back is None:
        why = entry.problem or Note("no_settings")
    else:
        why = barred(back, matched(back.record.facts, shelf()) if back.record else ())
    found = badge(entry, why)
    reasons = found.why if why is None or why in found.why else (*found.why, why)
    return {
        "verdict": found.verdict,
        "line": say(found.line, language),
        "why": [say(one, language) for one in reasons],
        "can": why is None,
    }


def _add_acting(router: APIRouter, history: History, trash: Trash) -> None:
    def rate(act: Act) -> Done:
        history.rate(act.ids, int(act.value) if re.fullmatch("[0-5]", act.value) else -1)
        return Done(places={})

    def tag(act: Act) -> Done:
        history.tag(act.ids, **{"add" if act.action == "tag" else "remove": re.split("[,，]", act.value)})
        return Done(places={})

    def erase(act: Act) -> Done:
        trash.empty(act.ids or None)
        return Done(places={})

    acts: Mapping[str, Callable[[Act], Done]] = {
        "rate": rate,
        "tag": tag,
        "untag": tag,
        "delete": lambda act: trash.delete(act.ids),
        "restore": lambda act: trash.restore(act.ids),
        "move": lambda act: trash.move(act.ids, act.value),
        "erase": erase,
    }

    @router.post("/act")
    def act(request: Request, wish: Act) -> dict[str, Any]:
        """Does it; the pictures' new ids, for undoing, and why some stayed."""
        with faults_as_answers(request):
            done = acts[wish.action](wish)
            return {
                "ids": [history.identity(path) for path in done.places.values()],
                "problem": done.problem and say(done.problem, language_of(request)),
            }


def _add_downloads(router: APIRouter, history: History, tickets: Tickets, small: Small) -> None:
    @router.post("/export")
    def ask(wanted: Wanted) -> dict[str, str]:
        """Where the download will be."""
        return {"url": f"/history/export/{tickets.give(wanted)}"}

    @router.get("/export/{ticket}")
    def fetch(request: Request, ticket: str) -> Response:
        """The download, once."""
        wanted = tickets.take(ticket)
        if wanted is None:
            raise HTTPException(404, "The download was fetched already.")
        with faults_as_answers(request):
            entries = history.entries(wanted.ids)
            name = f"seedprint-{date.today().isoformat()}"
            if wanted.kind == "sheet":
                sheet = export.contact_sheet(entries, small)
                return Response(sheet, headers=_download(f"{name}.jpg"), media_type="image/jpeg")
            pieces = export.zip_of(entries, wanted.kind)
            return StreamingResponse(pieces, headers=_download(f"{name}.zip"), media_type="application/zip")


def _download(name: str) -> dict[str, str]:
    return {"content-disposition": f'attachment; filename="{name}"', "cache-control": "no-store"}


def query_of(asked: Mapping[str, str]) -> Query:
    """The one adapter from an address to a query. Raises InvalidRequest."""
    found: dict[str, Any] = {}
    for name in (item.name for item in fields(Query) if item.name != "groups"):  # which the library tells
        text = asked.get(name, "").strip()
        if text:
            found[name] = _value(name, text)
    return Query(**found)


def _value(name: str, text: str) -> Any:
    try:
        if name in _WHOLE:
            return int(text)
        if name in _DAYS:
            return date.fromisoformat(text)
    except ValueError as error:
        wanted = Note("type_int" if name in _WHOLE else "type_day")
        raise InvalidRequest(name, "wrong_type", wanted=wanted, value=text[:40]) from error
    return text == "1" if name in _TRUTH else text
