"""What a family of models is: one description, from which everything else is derived. Standard library only.

A family's file says how its files are known, what suits it, what it cannot be told, what it takes, and which module
runs it. Rules and widths: CompVis and Stability's published layouts, diffusers' and kohya's naming, the makers' own.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pkgutil import resolve_name
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

from pipelines.groups import SIDE_STEP
from pipelines.types import GenerationRequest, ModelInfo
from pipelines.watching import Attention, Block, Moment

if TYPE_CHECKING:
    from PIL import Image

Shape = tuple[int, ...]
Shapes = Mapping[str, Shape]
Stamp = tuple[int, int]  # bytes and time of change (nanoseconds)

# How programs put their own word before a network's names
PREFIXES = ("", "model.diffusion_model.", "diffusion_model.", "transformer.", "net.", "model.")


class Tensors:
    """Names and shapes, and all names as one text: searching that once is far quicker than asking each name."""

    def __init__(self, shapes: Shapes) -> None:
        self.shapes = shapes
        self.text = "\n" + "\n".join(shapes) + "\n"

    def any_starts(self, *starts: str) -> bool:
        return any(f"\n{start}" in self.text for start in starts)

    def any_ends(self, end: str) -> bool:
        return f"{end}\n" in self.text


@dataclass(frozen=True, kw_only=True, slots=True)
class Mark:
    """Tensors by which a network is known: all of `has` are there, with that shape where one is given (None: any
    length), and none of `lacks`."""

    has: Mapping[str, tuple[int | None, ...] | None]
    lacks: tuple[str, ...] = ()

    def prefix_in(self, tensors: Tensors) -> str | None:
        """What stands before the names where the mark is borne, else None."""
        shapes = tensors.shapes
        for prefix in PREFIXES:
            borne = all(_fits(shapes.get(prefix + name), shape) for name, shape in self.has.items())
            if borne and not any(prefix + name in shapes for name in self.lacks):
                return prefix
        return None


def _fits(found: Shape | None, wanted: tuple[int | None, ...] | None) -> bool:
    if found is None or wanted is None:
        return found is not None
    return len(found) == len(wanted) and all(want in (None, side) for side, want in zip(found, wanted, strict=True))


@dataclass(frozen=True, kw_only=True, slots=True)
class Nature:
    """What suits a model, as its makers published it. `tokens`: so many its longest text encoder reads."""

    steps: int
    guidance: float
    tokens: int
    guided: bool = True  # guidance does something
    negative: bool = False  # there is a half without the prompt, which a negative prompt can be told


@dataclass(frozen=True, kw_only=True, slots=True)
class Amounts:
    """What the published network takes; see `pipelines.models.memory`. Parameters in millions."""

    unet: float
    vae: float
    text: float
    step_per_pixel: float  # bytes of one row, in 16 bits
    vae_in_fp32: bool = False  # its decoder overflows fp16 and is widened for the decode


@dataclass(frozen=True, kw_only=True, slots=True)
class Folder:
    """A diffusers folder: how the class in its model_index.json begins, its parts with weights that must be there,
    and of each tokenizer the files one of which must be."""

    pipeline: str
    weights: tuple[str, ...] = ()
    tokenizers: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    scheduler: str = ""  # the only one; "": ours take its place


@dataclass(frozen=True, kw_only=True, slots=True)
class Pipeline:
    """What diffusers runs in one piece: its classes for each task, its transformer's, and transformers' for each text
    encoder."""

    tasks: Mapping[str, str]
    transformer: str
    encoders: Mapping[str, str]
    longest: str  # the tokenizer of the encoder that reads most


def anything(info: ModelInfo, request: GenerationRequest) -> None:
    """The `check` of a family that can be told whatever a request can say."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Family:
    """`name` is what records and files call it, `title` what people do, in every language."""

    name: str
    title: str
    # -- how a file is known
    marks: tuple[Mark, ...] = ()  # of its network; any of them
    text_width: int | None = None  # of the text that its UNet's cross attention takes in
    adapters: tuple[str, ...] = ()  # patterns in the names of its LoRAs
    widths: tuple[tuple[str, tuple[int, ...]], ...] = ()  # the same with what goes into that module
    like: str = ""  # the family that its LoRAs are taken for where neither tells them apart, nor the trainer's notes
    notes: tuple[str, ...] = ()  # how trainers' and authors' notes of it begin
    latents: str = ""  # families with the same have VAEs of the same shapes
    channels: int = 0  # of the latents
    folder: Folder | None = None
    variant_of: Callable[[Tensors, str], str] = lambda tensors, prefix: ""  # of a file, with the prefix of its names
    variant_of_config: Callable[[Mapping[str, Any]], str] = lambda config: ""  # of its transformer in a folder
    of_config: Callable[[Mapping[str, Any]], bool] = lambda config: True  # where families share a folder's class
    network: str = "transformer"  # or "unet": what its marks are of
    prediction: str | None = "flow"  # of a network that is known by its marks
    last_block: str = ""  # of its UNet; a file without it has fewer blocks than its makers'
    both_predictions: bool = False  # it was published with epsilon and with velocity, and files do not say which
    # -- what suits it
    native_size: int = 1024  # pixels a side
    sizes: Mapping[str, int] = field(default_factory=dict)  # of those of another prediction type
    natures: Mapping[str, Nature] = field(default_factory=dict)  # by variant; none: what the page has
    sampler: str | None = None  # the only one that it takes
    own_step: int = 0  # what its pictures' sides are multiples of; 0: see `side_step`
    # -- how it is run
    loads: str = ""  # "module:function", imported when a model is loaded, for it stands on torch; "": not run yet
    variants: tuple[str, ...] = ("",)  # those that can be run
    single_file: bool = True  # one file holds all that it takes
    check: Callable[[ModelInfo, GenerationRequest], None] = anything  # raises `InvalidRequest` for what it cannot do
    refined_by: tuple[str, ...] = ()  # families whose models can run the last steps after one of its
    learns_words: bool = True  # prompts may name textual inversions
    clips: tuple[str, ...] = ("tokenizer",)  # the tokenizers that are CLIP's, which prompts are shown by
    pipeline: Pipeline | None = None
    # -- what it takes and how its latents look
    amounts: Amounts | None = None  # None: never measured
    preview: tuple[tuple[float, float, float], ...] = ()  # latent channel -> RGB in -1 … 1; (): measured when loaded

    @property
    def side_step(self) -> int:
        """Pixels: what its pictures' sides are multiples of. A transformer cuts latents into patches of two."""
        return self.own_step or (SIDE_STEP if self.pipeline is None else 2 * SIDE_STEP)

    @property
    def runs(self) -> bool:
        return bool(self.loads)

    def titled(self, variant: str) -> str:
        return f"{self.title} {variant}".strip()

    def suits(self, variant: str) -> dict[str, Any]:
        """What `ModelInfo` tells of it."""
        nature = self.natures.get(variant)
        return {} if nature is None else {"steps": nature.steps, "guidance": nature.guidance, "sampler": self.sampler}

    def load(self, *arguments: Any) -> LoadedModel[Any]:
        """Info, stamp, placement and who is told of each part -> the model in main memory. Raises `ModelError` and
        what `model_errors` makes one."""
        loaded: LoadedModel[Any] = resolve_name(self.loads)(*arguments)
        return loaded


@dataclass(frozen=True, kw_only=True, slots=True)
class Made:
    """The pictures of a batch, each with the facts that are its own, and how they came to be."""

    pictures: list[tuple[Image.Image, dict[str, Any]]]
    scheduler: Any
    ways: Any  # `memory.Ways`: how they fitted
    looks: tuple[Attention | None, ...] = ()  # where words look, of each picture
    moments: tuple[Moment, ...] = ()  # of the picture that was filmed
    blocks: tuple[Block, ...] = ()  # of the model, where they were looked at
    after: int = 0  # steps that it ended after; 0: all, or as many as were asked for


Work_contra = TypeVar("Work_contra", contravariant=True)


class LoadedModel(Protocol[Work_contra]):
    """A model in memory, however it is run. `Work_contra`: a batch and what the engine has for making it."""

    @property
    def info(self) -> ModelInfo: ...
    @property
    def stamp(self) -> Stamp: ...  # of its file or folder when it was read
    @property
    def placement(self) -> Any: ...
    @property
    def modules(self) -> tuple[Any, ...]: ...  # all that holds weights
    @property
    def bytes(self) -> int: ...  # of its weights
    @property
    def is_as_read(self) -> bool: ...  # False: its weights were rounded, and only its file has the true ones

    def named(self, info: ModelInfo) -> LoadedModel[Work_contra]: ...
    def place(self) -> None: ...  # on its device
    def leave(self) -> None: ...  # for main memory
    def make(self, work: Work_contra) -> Made: ...
    def largest(self, work: Work_contra) -> tuple[int, int]: ...  # the largest picture that fits; (0, 0): not known
    def quickest_threads(self, all_threads: int) -> int: ...  # of a processor
