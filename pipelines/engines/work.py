"""What an engine hands a loaded model: the batch, and what it has for making it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor

from pipelines.details import Detail
from pipelines.engines.planning import Pace, Planner
from pipelines.engines.replay import Replays
from pipelines.families.base import LoadedModel
from pipelines.models.detector import Detector
from pipelines.models.image_encoder import Look
from pipelines.models.listing import Listing
from pipelines.models.referred import Referred
from pipelines.models.weights.components import Components
from pipelines.models.weights.ip_adapter import IPAdapter
from pipelines.types import Batch, ModelInfo, OnProgress
from pipelines.upscaling.network import Network


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """`hash_of`: a file's SHA-256, waited for; `hash_soon` begins it. `reload`: the same model, read anew from its
    file. `upscaler`: the network of that name; None: it is done without one. `detector`: None, where the boxes are
    known. `controls`: the ControlNets of these files, beside this model; `references`: likewise IP-Adapters. `seen`:
    what image encoders see in pictures. `beside`: a second model in main memory; True: read anew."""

    batch: Batch
    on_progress: OnProgress
    listing: Listing
    planner: Planner
    pace: Pace
    replays: Replays
    hash_of: Callable[[ModelInfo], str | None]
    hash_soon: Callable[[ModelInfo], object]
    set_threads: Callable[[Loaded], None]
    reload: Callable[[], Loaded]
    beside: Callable[[str, bool], Loaded]
    upscaler: Callable[[str], Network | None]
    detector: Callable[[Detail], Detector | None]
    controls: Callable[[Mapping[str, ModelInfo], Components], dict[str, Any]]
    references: Callable[[Mapping[str, Referred], Components], dict[str, IPAdapter]]
    seen: Callable[[Mapping[str, Look]], dict[str, Tensor]]


Loaded = LoadedModel[Work]
