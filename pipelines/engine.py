"""The one narrow seam between the application and whatever makes images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Protocol

from pipelines.boxes import Click
from pipelines.tokens import PromptReading
from pipelines.types import (
    DIALECTS,
    Batch,
    Embedding,
    EngineState,
    GenerationRequest,
    GenerationResult,
    ModelInfo,
    ModelPart,
    OnProgress,
)

if TYPE_CHECKING:
    from PIL.Image import Image


class Engine(Protocol):
    """Makes images. One `generate` or `embed` at a time; every method may be called from any thread."""

    def models(self) -> tuple[ModelInfo, ...]:
        """What can be chosen, the default first. Quick: reads no weights and never waits for the warm-up."""
        ...

    def adapters(self) -> tuple[ModelInfo, ...]:
        """LoRAs, textual inversions and VAEs in the models folders, by name. As quick as `models`."""
        ...

    def shelf(self) -> tuple[ModelInfo, ...]:
        """Everything in the models folders, broken and unsupported files too (`problem` says why), and the built-in
        model; `sha256` as soon as it is computed, which this begins. As quick as `models`."""
        ...

    def read_again(self, info: ModelInfo, wanted: Callable[[], bool]) -> None:
        """Reads a file of `shelf` whose hash is known once more, in this thread: whether its bytes are the same says
        `altered`. It ends early when `wanted` says no; what that raises comes out."""
        ...

    def read_oldest(self, before: float, wanted: Callable[[], bool]) -> bool:
        """Likewise the one read longest ago, before that time (seconds since 1970); whether there was one. In a thread
        that does nothing else: it gets the lowest priority."""
        ...

    def parts(self, info: ModelInfo) -> tuple[ModelPart, ...]:
        """What a model of `shelf` is made of, from its headers. Raises `ModelError`."""
        ...

    def check(self, request: GenerationRequest) -> None:
        """Raises `InvalidRequest` for what can be known before `generate`: a LoRA that is not there or does not fit
        the model. As quick as `models`."""
        ...

    def read_prompt(
        self, model: str, text: str, *, negative: bool = False, dialect: str = DIALECTS[0]
    ) -> PromptReading:
        """How this model's text encoders read a prompt. Quick enough to be asked at every key. Raises `ModelError`,
        and `InvalidRequest` for what the dialect cannot read."""
        ...

    def describe(self) -> EngineState:
        """Whether it is warm, on what device. Never blocks."""
        ...

    def generate(self, batch: Batch, on_progress: OnProgress) -> list[GenerationResult]:
        """One result per seed, in order. Waits for the warm-up. Raises `SeedprintError`s; `on_progress` may raise
        `Stopped`, which comes out unchanged within one step."""
        ...

    def upscalers(self) -> tuple[ModelInfo, ...]:
        """Networks that make pictures larger: the one that ships with the project, then those of the models folders, by
        name. As quick as `models`."""
        ...

    def controls(self) -> tuple[ModelInfo, ...]:
        """ControlNets: the one that ships with the project, then those of the models folders, by name. As quick as
        `models`."""
        ...

    def references(self) -> tuple[ModelInfo, ...]:
        """IP-Adapters in the models folders that can be used, by name. As quick as `models`."""
        ...

    def named(self, request: GenerationRequest) -> GenerationRequest:
        """With the names of the files that it leaves to the program, so that its record tells them. Raises
        `InvalidRequest` where no file fits. As quick as `models`."""
        ...

    def image_encoders(self) -> tuple[ModelInfo, ...]:
        """CLIP vision models in the models folders that can be used, by name. As quick as `models`."""
        ...

    def detectors(self) -> tuple[ModelInfo, ...]:
        """Networks in the models folders that find what is to be repainted, by name. As quick as `models`."""
        ...

    def segmenters(self) -> tuple[ModelInfo, ...]:
        """Networks in the models folders that select things by clicks, by name. As quick as `models`."""
        ...

    def select(self, image: Image, clicks: Sequence[Click], on_progress: OnProgress) -> Image:
        """What the first of `segmenters` takes the clicks on an "RGB" picture for: an "L" picture of its size, 255 or
        0. Waits for the batch at work. Raises as `generate` does; `on_progress` may stop it while it waits."""
        ...

    def embed(self, encoder: str, images: Sequence[Image], on_progress: OnProgress, text: str = "") -> list[Embedding]:
        """What one of `image_encoders` sees in each "RGB" picture, and behind them what it reads in `text`, if there is
        one: only those with a text encoder among their parts can. Waits for the batch at work. Raises as `generate`
        does; `on_progress` may stop it between two pictures."""
        ...

    def devices(self) -> tuple[Engine, ...]:
        """An engine for each device, of which each makes one batch at a time; where there is one, itself."""
        ...

    def close(self) -> None:
        """Ends processes and frees memory. May be called twice."""
        ...
