"""What many pictures will cost, told before the first is made."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipelines.types import GenerationRequest
from webui.jobs.durations import Durations
from webui.jobs.service import GenerationService
from webui.words import Language, translate


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What an experiment will cost, told before it starts."""

    cells: int
    finished: int  # made before: not made again
    steps: int  # of the cells to make
    seconds: float | None  # None: nothing was made lately to judge by
    bytes: int  # on disk


def planned(service: GenerationService, count: int, missing: Sequence[GenerationRequest]) -> Plan:
    """Of `count` pictures of which these must be made. Raises StorageError."""
    durations = Durations(service.recent).refreshed()
    seconds = [durations.seconds(one.model, one.work) for one in missing]
    known = [one for one in seconds if one is not None]
    return Plan(
        cells=count,
        finished=count - len(missing),
        steps=sum(request.all_steps for request in missing),
        seconds=sum(known) if len(known) == len(missing) else None,
        bytes=sum(durations.bytes(math.prod(one.size)) for one in missing),
    )


def estimate(plan: Plan, language: Language) -> str:
    """One sentence: pictures, steps, time, disk."""
    time = translate("lab_no_time", language)
    if plan.seconds is not None and plan.seconds < 90:
        time = translate("lab_seconds", language, seconds=round(plan.seconds))
    elif plan.seconds is not None:
        time = translate("lab_minutes", language, minutes=round(plan.seconds / 60))
    return translate(
        "lab_estimate",
        language,
        cells=f"{plan.cells:,}",
        finished=f"{plan.finished:,}",
        steps=f"{plan.steps:,}",
        time=time,
        megabytes=f"{plan.bytes / 1e6:.1f}",
    )
