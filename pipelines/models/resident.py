"""A model taken apart, in memory, with what belongs to it. One set of parts serves every task."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pipelines.families.base import Stamp
from pipelines.models.adapters import Adapters
from pipelines.models.device import Placement
from pipelines.models.files.hashes import stamp_of
from pipelines.models.weights.arranging import is_narrow, unstream
from pipelines.models.weights.components import Components, bytes_of
from pipelines.models.weights.loading import place
from pipelines.models.weights.vae import read_vae
from pipelines.prompts.encoding import PromptEncoder
from pipelines.sampling import previews
from pipelines.types import ModelInfo


class SeparateVae:
    """The last VAE that took the place of a model's own, kept for the next picture."""

    def __init__(self) -> None:
        self._key: tuple[str, Stamp | None] | None = None
        self._vae: Any = None

    def over(self, parts: Components, info: ModelInfo | None) -> Components:
        """The parts, with this VAE instead of their own if there is one. Raises `InvalidRequest`."""
        if info is None:
            return parts
        key = info.path, stamp_of(Path(info.path))
        if self._key != key:
            vae = read_vae(info, parts.vae)
            self._vae = vae if parts.placement.moves else parts.placement.place(vae)
            self._key = key
        return replace(parts, vae=self._vae)

    def forget(self) -> None:
        self._key = self._vae = None


@dataclass(frozen=True, kw_only=True, slots=True)
class Resident:
    parts: Components
    prompts: PromptEncoder
    adapters: Adapters
    factors: previews.Factors
    stamp: Stamp
    separate_vae: SeparateVae = field(default_factory=SeparateVae)

    @property
    def info(self) -> ModelInfo:
        return self.parts.info

    @property
    def placement(self) -> Placement:
        return self.parts.placement

    @property
    def modules(self) -> tuple[Any, ...]:
        return self.parts.modules

    @property
    def bytes(self) -> int:
        return bytes_of(self.modules)

    @property
    def is_as_read(self) -> bool:
        return not is_narrow(self.parts.unet)

    def place(self) -> None:
        place(self.parts)

    def leave(self) -> None:
        self.separate_vae.forget()
        self.prompts.forget()
        unstream(self.parts.unet)
        for part in self.modules:
            self.parts.placement.take_off(part)
