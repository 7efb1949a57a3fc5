"""Jobs as the page sees them: hand one in, watch it, end it. A browser may leave and come back at any time."""

from __future__ import annotations

import base64
import itertools
import time
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any

from pipelines.errors import Note, StorageError
from webui import words
from webui.archive import metadata
from webui.jobs.sizes import outside
from webui.jobs.status import JobStatus
from webui.ui.house import House
from webui.words import WORDS, Language, translate

KEEP = 20  # job ids a browser remembers for a tab
PAUSE = 0.15  # seconds between two looks at a running job
WAIT = 1.0  # seconds; a watcher whose browser has left ends after this long


_REFUSALS = itertools.count()


def refusal(**told: Any) -> dict[str, Any]:
    """What `Live` shows of a wish that was no job. Numbered: a page shows what is new to it, and the same wish may be
    refused twice in the same words."""
    return {"state": "refused", "number": next(_REFUSALS), **told}


def remembered(value: Any) -> list[str]:
    """Job ids as a browser gives them back: data from outside."""
    ids = value if isinstance(value, list) else []
    return [one for one in ids if isinstance(one, str) and len(one) <= 64][-KEEP:]


def watch(house: House, current: Callable[[], JobStatus | None], ids: list[str]) -> Iterator[JobStatus | Note]:
    """A status when it changes, and at least once a `WAIT`: the `current` job until it is finished, then what is
    current next. Ends when there is none, with the newest of `ids`, which the browser handed in. While the database is
    away, why it is."""
    shown = ""
    while True:
        try:
            status = current() or newest(house, ids)
        except StorageError as error:
            yield error.told
            time.sleep(WAIT)
            continue
        if status is None or (status.finished and status.id == shown):
            return
        shown = status.id
        yield from _followed(house, status)


def newest(house: House, ids: list[str]) -> JobStatus | None:
    """Of the jobs that the browser handed in, the last that is remembered. Raises StorageError."""
    return next((status for one in reversed(ids) if (status := house.service.status(one)) is not None), None)


def _followed(house: House, first: JobStatus) -> Iterator[JobStatus | Note]:
    status = first
    yield status
    while not status.finished:
        try:
            fresh = house.service.wait(status.id, status.version, WAIT)
            if fresh is not None and not fresh.finished:
                time.sleep(PAUSE)  # quick steps are not worth a message each
                fresh = house.service.status(status.id)
        except StorageError as error:
            yield error.told
            time.sleep(WAIT)
            continue
        if fresh is None:
            return
        status = fresh
        yield status


def away_value(why: Note, language: Language) -> dict[str, Any]:
    """What `Live` shows while nothing can be told of any job."""
    return {"state": "queued", "line": translate("state_away", language), "error": words.say(why, language)}


def live_value(house: House, status: JobStatus, language: Language) -> dict[str, Any]:
    """What `Live` shows of a job."""
    say = translate
    detail = [say("more_waiting", language, count=status.queue_behind)] if status.queue_behind else []
    value: dict[str, Any] = {"job": status.id, "state": status.state, "share": None, "preview": None, "error": ""}
    if status.state == "queued":
        before = status.queue_position
        value["line"] = say("state_queued", language, before=before) if before else say("state_next", language)
        value["share"] = 0.0
    elif status.state == "running":
        value["line"] = _running_line(house, status, language)
        value["share"] = _share(status)
        detail = [*_places(status, language), *detail]
        if status.eta_seconds is not None:
            detail.insert(0, say("eta", language, seconds=max(1, round(status.eta_seconds))))
        if status.preview is not None:
            value["preview"] = base64.b64encode(status.preview).decode("ascii")
            value["size"] = status.size
    elif status.state == "failed":
        value["line"] = say("state_failed", language)
        value |= _failure(status.error, language)
    elif status.state == "cancelled":
        value["line"] = say("state_cancelled", language, image=status.image, images=status.images)
    else:
        value["line"] = say("state_done_images", language, image=len(status.saved))
        detail.insert(0, outside_sentence(house, status, language))
    if status.held is not None:
        value["error"] = words.say(status.held, language)
    if status.warning is not None:
        detail.append(words.say(status.warning, language))
    value["detail"] = " · ".join(part for part in detail if part)
    return value


def _failure(error: Note | None, language: Language) -> dict[str, Any]:
    """Beside its field, where the fault is one's own and could be found only in the run."""
    if error is None:
        return {}
    told, field = words.say(error, language), error.values.get("field")
    return {"error": told, "faults": {field: told} if field else {}}


def _running_line(house: House, status: JobStatus, language: Language) -> str:
    if status.step == 0 and house.service.engine_state().state == "warming":
        return translate("state_warming", language)
    key = f"stage_{status.stage}"
    return translate(key if key in WORDS else "stage_loading", language, step=status.step, steps=status.steps)


def _places(status: JobStatus, language: Language) -> list[str]:
    """Which image, and which pass of it, where there are several."""
    found = []
    if status.images > 1:
        image = min(status.before + 1, status.images)
        found.append(translate("image_of", language, image=image, images=status.images))
    if status.passes > 1:
        found.append(translate("pass_of", language, number=status.pass_number, passes=status.passes))
    return found


def _share(status: JobStatus) -> float:
    """How much of the job is done, 0 … 1."""
    within = status.step / status.steps if status.steps else 0.0
    within = (status.pass_number - 1 + within) / status.passes
    return min(1.0, (status.before + within) / max(1, status.images))


def outside_sentence(house: House, status: JobStatus, language: Language) -> str:
    """How many pixels changed outside the mask, of all images of an inpaint run together; else nothing."""
    paths = [saved.path for saved in status.saved if saved.task == "inpaint" and saved.path.is_file()]
    told = outside((metadata.read(path).record for path in paths), house.inputs) if paths else None
    return "" if told is None else words.say(told, language)


def run_items(house: House, status: JobStatus, language: Language) -> dict[str, Any]:
    """The pictures of a job for `Pictures`, the newest selected while it runs, the grid last."""
    saved = [*status.saved, *([status.grid] if status.grid else [])]
    items = house.items((one for one in saved if one.path.is_file()), language)  # without those deleted since
    seeds = Counter(item["label"] for item in items)
    for number, item in enumerate(items, start=1):
        if seeds[seed := item["label"]] > 1:  # variations of one picture; no wider than a seed
            item["label"] = f"…{seed[-4:]} · {number}"
    newest = len(status.saved) - 1
    return {"items": items, "selected": 0 if status.finished and items else newest}
