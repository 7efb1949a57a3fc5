"""Which models are in memory: the one in use, and those used lately while they fit a budget."""

from __future__ import annotations

import ctypes
import gc
import sys
from collections import OrderedDict
from contextlib import suppress
from pathlib import Path
from typing import Any

import psutil
import torch

from pipelines import families
from pipelines.errors import ModelError
from pipelines.families.base import LoadedModel
from pipelines.models import conversion
from pipelines.models.device import Placement
from pipelines.models.files.hashes import stamp_of
from pipelines.models.listing import Listing
from pipelines.models.stages import OnStage, by_part, unheard
from pipelines.models.weights.loading import model_errors
from pipelines.types import ModelInfo

BUDGET_SHARE = 3  # of the machine's memory, one part in so many is for models not in use


Model = LoadedModel[Any]


class PipelineManager:
    """Loads, switches and lets go. Not for several threads at once."""

    def __init__(self, listing: Listing, placement: Placement, *, budget: int | None = None) -> None:
        """`budget`: bytes of main memory for models that are not in use; None: a third of what the machine has."""
        self.placement = placement
        self._listing = listing
        self._budget = psutil.virtual_memory().total // BUDGET_SHARE if budget is None else budget
        self._current: Model | None = None
        self._parked: OrderedDict[str, Model] = OrderedDict()  # by path, the one used last at the end

    @property
    def current(self) -> Model | None:
        return self._current

    @property
    def resident(self) -> tuple[str, ...]:
        """Names of all that is in memory, the one in use last."""
        models = [*self._parked.values(), *([self._current] if self._current is not None else [])]
        return tuple(model.info.name for model in models)

    def get(self, name: str, on_stage: OnStage = unheard) -> Model:
        """The model of that name, on its device. Raises `ModelError`, `StorageError` (no room for the copy of an old
        pickle) or torch's OutOfMemoryError; the model in use before then stays."""
        current = self._current
        if current is not None and current.info.name == name and _is_unchanged(current):
            return current
        info = self._made_safe(self._listing.find(name), on_stage)
        if current is not None and current.info.path == info.path and _is_unchanged(current):
            self._current = _named(current, info)  # another file came, and with it a longer name for this one
            return self._current
        with model_errors(info.name):
            self._switch(self._parked_or_read(info, on_stage))
        assert self._current is not None
        return self._current

    def beside(self, name: str, on_stage: OnStage = unheard, *, anew: bool = False) -> Model:
        """A second model, which takes turns with the one in use; that stays as it is. Where weights move, it is in main
        memory. `anew`: read from its file. Raises as `get` does."""
        info = self._made_safe(self._listing.find(name), on_stage)
        if anew:
            self._parked.pop(info.path, None)
        with model_errors(info.name):
            model = self._parked_or_read(info, on_stage)
            if not self.placement.moves:
                model.place()
        self._parked[info.path] = model
        self._parked.move_to_end(info.path)
        return model

    def let_go(self) -> None:
        """Of the current model: the next `get` reads its file anew."""
        self._current = None

    def clear(self) -> None:
        """Lets everything go."""
        self.let_go()
        self._parked.clear()
        _give_back()

    def _made_safe(self, info: ModelInfo, on_stage: OnStage) -> ModelInfo:
        """An old pickle is converted when it is first used; only then is known what it is."""
        if info.layout != "pickle" or info.kind != "unknown":
            return info
        on_stage("converting", 0)
        conversion.loadable(info)
        return self._listing.find(info.name)

    def _parked_or_read(self, info: ModelInfo, on_stage: OnStage) -> Model:
        parked = self._parked.get(info.path)
        if parked is not None and _is_unchanged(parked):
            return _named(parked, info)
        stamp = stamp_of(Path(info.path))
        if stamp is None:
            raise ModelError("file_gone", path=info.path)
        return families.of(info.family).load(info, stamp, self.placement, by_part(info, on_stage))

    def _switch(self, model: Model) -> None:
        """The new model was read whole before the old one goes, so that a bad file changes nothing. On a card the old
        one leaves for main memory; what of the new one comes when is the memory plan's affair."""
        before = self._current
        if before is not None:
            self._park(before)
        if not self.placement.moves:
            try:
                model.place()
            except (torch.OutOfMemoryError, RuntimeError):
                if before is not None:
                    self._take(before)
                raise
        self._take(model)
        kept = before is not None and before.info.path in self._parked
        before = None
        if self._trim() or not kept:
            _give_back()

    def _take(self, model: Model) -> None:
        self._parked.pop(model.info.path, None)
        self._current = model

    def _park(self, model: Model) -> None:
        self._current = None
        if _is_unchanged(model) and model.is_as_read:
            self._parked[model.info.path] = model
        if self.placement.moves:
            model.leave()
            if self.placement.device.startswith("cuda"):
                torch.cuda.empty_cache()

    def _trim(self) -> bool:
        """Lets go of those not used for longest until the others fit the budget, and says whether any had to go."""
        sizes = {path: model.bytes for path, model in self._parked.items()}
        let_go = [path for path, model in self._parked.items() if not _is_unchanged(model)]
        kept = sum(size for path, size in sizes.items() if path not in let_go)
        for path, size in sizes.items():
            if kept > self._budget and path not in let_go:
                let_go.append(path)
                kept -= size
        for path in let_go:
            del self._parked[path]
        return bool(let_go)


def _named(model: Model, info: ModelInfo) -> Model:
    return model if model.info == info else model.named(info)


def _is_unchanged(model: Model) -> bool:
    return stamp_of(Path(model.info.path)) == model.stamp


def _give_back() -> None:
    """What was let go, to the system: without this the process keeps growing while models come and go."""
    gc.collect()
    if sys.platform == "linux":
        with suppress(AttributeError, OSError):  # another C library than glibc
            ctypes.CDLL(None).malloc_trim(0)
