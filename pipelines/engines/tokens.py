"""Models that draw by masked tokens: the recipe from a batch to pictures.

All tokens of a picture are masked at first. At each step the transformer says what each masked one may be; one is
drawn for each, and those it is least sure of are masked again, fewer every time: Huiwen Chang et al., "MaskGIT",
arXiv:2202.04200, as aMUSEd does it (arXiv:2401.01808).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import torch
from PIL import Image

from pipelines import families, images
from pipelines.engines.decoding import to_image, to_tensor
from pipelines.engines.ladder import RUNGS, Try, climb, tries
from pipelines.engines.modifiers.filming import spread
from pipelines.engines.work import Work
from pipelines.errors import InvalidRequest, Kept, NotFinite
from pipelines.families import builtin
from pipelines.families.base import Made, Stamp
from pipelines.families.plain import check_watched, plain_text
from pipelines.models import extras, memory
from pipelines.models.device import Placement
from pipelines.models.memory import Ways
from pipelines.models.stages import OnPart, unheard
from pipelines.models.weights.components import bytes_of
from pipelines.models.weights.tokens import TokenParts, read_tokens
from pipelines.sampling import masks, noise
from pipelines.sampling.masks import Canvas
from pipelines.types import BUILTIN, Batch, GenerationRequest, ModelInfo, OnProgress, Progress
from pipelines.watching import Moment

TEMPERATURE = (2, 0)  # of the noise on how sure it is, from the first step to the last
TASTE = 6  # out of 10: how well liked its picture is to be, as aMUSEd is told
GREY = (128, 128, 128)  # masked tokens of a film


def load(info: ModelInfo, stamp: Stamp, placement: Placement, on_part: OnPart = unheard) -> TokenModel:
    """In main memory. Raises `ModelError`."""
    return TokenModel(parts=read_tokens(info, placement, on_part), stamp=stamp)


@dataclass(frozen=True, kw_only=True, slots=True)
class Told:
    """The prompt and, where it is guided away from it, the negative one before it: (1 or 2, tokens, width), and the
    pooled (1 or 2, width)."""

    hidden: torch.Tensor
    pooled: torch.Tensor


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A step of one picture: how much of it is known, and its tokens (1, height, width) as they were, as they were
    drawn, and as they would be with and without the prompt alone."""

    step: int
    steps: int
    known: float
    hidden: torch.Tensor  # which are masked
    tokens: dict[str, torch.Tensor]


@dataclass(kw_only=True, slots=True)
class Course:
    """One run of the loop. `chosen`: the steps that are filmed, of the picture `filmed`."""

    scheduler: Any
    steps: int
    steps_run: int
    share: float = 1.0  # of the tokens that are masked at its beginning
    filmed: int = -1
    chosen: frozenset[int] = frozenset()
    seen: list[Seen] = field(default_factory=list)
    after: int = 0  # steps that it ended after, where a person kept what was there


@dataclass(frozen=True, kw_only=True, slots=True)
class TokenModel:
    """A `LoadedModel`."""

    parts: TokenParts
    stamp: Stamp
    is_as_read: bool = True

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

    def named(self, info: ModelInfo) -> TokenModel:
        return replace(self, parts=self.parts.named(info))

    def place(self) -> None:
        for part in self.modules:
            self.placement.place(part)

    def leave(self) -> None:
        for part in self.modules:
            self.placement.take_off(part)

    def largest(self, _work: Work) -> tuple[int, int]:
        return 0, 0

    def quickest_threads(self, all_threads: int) -> int:
        return 1 if self.info.builtin and self.placement.device == "cpu" else all_threads

    def make(self, work: Work) -> Made:
        """Raises `InvalidRequest`, `NotFinite` and what the device says when its memory runs out."""
        batch, request = work.batch, work.batch.request
        extras.check(work.listing, request)
        check_watched(batch, families.title_of(self.info), films=True)
        work.set_threads(self)
        canvas = None if request.inpaint is None else masks.plan(request)

        # 1. plan, 2. encode the prompts and the picture to begin with, 3. unmask, 4. decode
        def run(attempt: Try) -> tuple[list[Image.Image], Course, tuple[Moment, ...]]:
            if not attempt.ways.parts_alone:
                self.place()
            groups = [(seed,) for seed in batch.seeds] if attempt.ways.singly else [batch.seeds]
            made = [_run(self, batch, group, canvas, work.on_progress) for group in groups]
            moments = next((one[2] for one in made if one[2]), ())
            return [picture for one in made for picture in one[0]], made[-1][1], moments

        ways = _ways(self)
        attempts = tries(ways, "unet", moves=self.placement.moves, images=len(batch.seeds))
        attempts = tuple(one for one in attempts if not one.ways.streamed)
        (pictures, course, moments), attempt = climb(run, attempts, self.placement.device)
        facts: dict[str, Any] = {
            "pipeline": "masked tokens",
            "steps_run": request.steps_run,
            "model_calls": request.steps_run,  # both halves of a guidance in one
            "vae_dtype": self.placement.dtype_name,
            "temperature": list(TEMPERATURE),
            **({RUNGS: list(attempt.rungs)} if attempt.rungs else {}),
        }
        if self.info.builtin:  # its text encoder and VAE are the other built-in model's
            facts["shared_parts"] = {"name": BUILTIN, "sha256": work.hash_of(builtin.info())}
        # 5. what was not masked stays as it was
        found = [(picture, facts) for picture in pictures]
        if canvas is not None:
            laid = [masks.composed(canvas, picture) for picture in pictures]
            found = [(picture, {**facts, "changed_outside_mask": changed}) for picture, changed in laid]
        return Made(pictures=found, scheduler=course.scheduler, ways=ways, moments=moments, after=course.after)


def _ways(model: TokenModel) -> Ways:
    placement = model.placement
    if not placement.moves:
        return Ways(singly=placement.exact)
    return Ways(singly=placement.exact, parts_alone=model.bytes + memory.OVERHEAD > placement.available())


@contextmanager
def _at_work(model: TokenModel, parts: Sequence[Any]) -> Iterator[None]:
    """They are on the device; where all cannot be there at once, they leave it again."""
    alone = [part for part in parts if not model.placement.holds(part)]
    for part in alone:
        model.placement.place(part)
    try:
        yield
    finally:
        for part in alone:
            model.placement.take_off(part)


def _run(
    model: TokenModel, batch: Batch, seeds: tuple[int, ...], canvas: Canvas | None, on_progress: OnProgress
) -> tuple[list[Image.Image], Course, tuple[Moment, ...]]:
    parts, request = model.parts, batch.request
    on_progress(Progress(stage="encoding"))
    with _at_work(model, (parts.text_encoder,)):
        told = _read_prompts(model, request)
    scheduler = parts.scheduler(inpainting=canvas is not None)
    scheduler.set_timesteps(request.steps, TEMPERATURE)
    course = Course(scheduler=scheduler, steps=request.steps, steps_run=request.steps_run)
    if batch.filming is not None and (filmed := batch.seeds[batch.filming.image]) in seeds:
        course.filmed = seeds.index(filmed)
        course.chosen = frozenset(spread(request.steps_run, batch.filming.moments))
    generators = noise.generators(seeds)
    with _at_work(model, parts.codec):
        tokens = _start(model, request, canvas, generators, course)
    with _at_work(model, (parts.transformer,)):
        tokens = _unmasked(model, tokens, told, (request, generators, course), on_progress)
    on_progress(Progress(stage="decoding", step=course.steps_run, steps=course.steps_run))
    with _at_work(model, parts.codec):
        pictures = [decoded(parts, one[None]) for one in tokens]
        return pictures, course, tuple(_moment(parts, one) for one in course.seen)


def _read_prompts(model: TokenModel, request: GenerationRequest) -> Told:
    parts, device = model.parts, model.placement.device
    fields = ("negative_prompt", "prompt") if request.guidance > 1 else ("prompt",)
    hidden, pooled = list[torch.Tensor](), list[torch.Tensor]()
    for name in fields:
        text = plain_text(name, getattr(request, name), families.title_of(model.info))
        room, count = parts.tokenizer.model_max_length, len(parts.tokenizer(text).input_ids)
        if count > room:
            title = families.title_of(model.info)
            raise InvalidRequest(name, "too_many_tokens", high=room, model=title, value=count)
        ids = parts.tokenizer(text, return_tensors="pt", padding="max_length", max_length=room).input_ids
        said = parts.text_encoder(ids.to(device), output_hidden_states=True)
        hidden.append(said.hidden_states[-2])
        pooled.append(said.text_embeds)
    return Told(hidden=torch.cat(hidden), pooled=torch.cat(pooled))


def _start(
    model: TokenModel,
    request: GenerationRequest,
    canvas: Canvas | None,
    generators: Sequence[torch.Generator],
    course: Course,
) -> torch.Tensor:
    """Tokens (images, height, width): all masked, or those of a picture, of which some are."""
    parts = model.parts
    shape = (len(generators), request.height // parts.factor, request.width // parts.factor)
    device = model.placement.device
    if request.init is None:
        return torch.full(shape, parts.mask, dtype=torch.long, device=device)
    size = (request.width, request.height)
    picture = images.fit(request.init.image, size, request.init.resize_mode) if canvas is None else canvas.picture
    tokens = encoded(parts, picture).expand(shape).clone()
    if canvas is not None:
        hidden = masks.latent_mask(canvas.working_mask, parts.factor)[0].bool().to(device)
        course.share = hidden.float().mean().item()
        return tokens.masked_fill(hidden, parts.mask)
    skipped = request.steps - request.steps_run
    if not skipped:
        return torch.full_like(tokens, parts.mask)
    before = course.scheduler.timesteps[skipped - 1]  # the step whose end this is
    pairs = zip(tokens.cpu(), generators, strict=True)
    return torch.cat([course.scheduler.add_noise(one[None], before, own) for one, own in pairs]).to(device)


def _unmasked(
    model: TokenModel,
    tokens: torch.Tensor,
    told: Told,
    means: tuple[GenerationRequest, Sequence[torch.Generator], Course],
    on_progress: OnProgress,
) -> torch.Tensor:
    """Tokens (images, height, width), none of them masked."""
    request, generators, course = means
    parts, count, halves = model.parts, len(tokens), len(told.hidden)
    said = told.hidden.repeat_interleave(count, 0), told.pooled.repeat_interleave(count, 0)
    micro = torch.tensor([[request.width, request.height, 0, 0, TASTE]], dtype=said[0].dtype, device=tokens.device)
    micro = micro.expand(halves * count, -1)
    for number, timestep in enumerate(course.scheduler.timesteps[course.steps - course.steps_run :]):
        logits = parts.transformer(tokens.repeat(halves, 1, 1), said[0], said[1], micro).float()  # (rows, codes, h, w)
        if number in (0, course.steps_run - 1) and not bool(torch.isfinite(logits).all()):
            raise NotFinite("not_finite_at", step=number + 1)
        without, given = logits.chunk(2) if halves == 2 else (None, logits)
        guided = given if without is None else without + request.guidance * (given - without)
        steps = [
            course.scheduler.step(row[None], timestep, one[None], course.share, generator)
            for row, one, generator in zip(guided.cpu(), tokens.cpu(), generators, strict=True)
        ]
        drawn = torch.cat([one.pred_original_sample for one in steps])
        if number in course.chosen and course.filmed >= 0:
            course.seen.append(_seen(parts, course, number, (tokens.cpu(), drawn), (without, given)))
        tokens = torch.cat([one.prev_sample for one in steps]).to(model.placement.device)
        ended = number + 1 == request.stop_after
        try:
            on_progress(Progress(stage="denoising", step=number + 1, steps=course.steps_run))
        except Kept:
            ended = True
        if ended:
            course.after = number + 1
            return drawn.to(tokens.device)
    return tokens


def _seen(
    parts: TokenParts,
    course: Course,
    number: int,
    pair: tuple[torch.Tensor, torch.Tensor],
    logits: tuple[torch.Tensor | None, torch.Tensor],
) -> Seen:
    image = slice(course.filmed, course.filmed + 1)
    tokens, drawn = (one[image] for one in pair)
    hidden = tokens == parts.mask
    shown = {"clean": drawn}
    if logits[0] is not None:
        for name, one in zip(("without", "given"), logits, strict=True):
            assert one is not None
            shown[name] = torch.where(hidden, one[image].argmax(1).cpu(), drawn)
    known = 1 - hidden.float().mean().item()
    return Seen(step=number + 1, steps=course.steps_run, known=known, hidden=hidden, tokens=shown)


def _moment(parts: TokenParts, seen: Seen) -> Moment:
    """Shares of the picture and of what is masked, as of picture and noise."""
    views = {name: decoded(parts, tokens) for name, tokens in seen.tokens.items()}
    hidden = Image.fromarray(seen.hidden[0].byte().mul(255).numpy())
    size = views["clean"].size
    covered = hidden.resize(size, Image.Resampling.NEAREST)
    noisy = Image.composite(Image.new("RGB", size, GREY), views["clean"], covered)
    return Moment(
        step=seen.step,
        steps=seen.steps,
        alpha=seen.known**0.5,
        sigma=(1 - seen.known) ** 0.5,
        views={"noisy": noisy, **views},
    )


# -- between pictures and tokens


def encoded(parts: TokenParts, picture: Image.Image) -> torch.Tensor:
    """RGB -> tokens (1, height, width): of each place the code that is nearest."""
    pixels = to_tensor(picture).to(parts.placement.device)
    if parts.vae is not None:
        latents = parts.vae.encode(pixels.to(parts.vae.dtype)).latent_dist.mode() * parts.vae.config.scaling_factor
    else:
        latents = pixels / 2 + 0.5
    places = _widened(parts, lambda vqvae: vqvae.encode(latents.to(vqvae.dtype)).latents).float()
    batch, width, *shape = places.shape
    places = places.permute(0, 2, 3, 1).reshape(-1, width)
    codes = torch.cdist(places, parts.vqvae.quantize.embedding.weight.float()).argmin(1)
    return codes.view(batch, *shape)


def decoded(parts: TokenParts, tokens: torch.Tensor) -> Image.Image:
    """Tokens (1, height, width) -> RGB. Raises `NotFinite`."""
    tokens = tokens.to(parts.placement.device)
    shape = (*tokens.shape, parts.vqvae.config.latent_channels)
    found = _widened(parts, lambda vqvae: vqvae.decode(tokens, force_not_quantize=True, shape=shape).sample)
    if parts.vae is not None:
        scaled = found.to(parts.vae.dtype) / parts.vae.config.scaling_factor
        pixels = parts.vae.decode(scaled).sample
    else:
        pixels = found * 2 - 1
    if not bool(torch.isfinite(pixels).all()):
        raise NotFinite("not_finite_decoded")
    return to_image(pixels[0])


def _widened(parts: TokenParts, work: Callable[[Any], torch.Tensor]) -> torch.Tensor:
    """`work` with the VQ-VAE in float32 where its own config says that it overflows float16."""
    vqvae = parts.vqvae
    widen = vqvae.dtype == torch.float16 and bool(vqvae.config.force_upcast)
    try:
        return work(vqvae.float() if widen else vqvae)
    finally:
        if widen:
            vqvae.to(parts.placement.dtype)
