"""The pass that denoises: the prompts are encoded, noise is made, and latents come of it, by the memory plan, and down
the ladder from there when memory runs out."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import torch

from pipelines.engines.conditioning import Conditioning, condition
from pipelines.engines.denoising import AfterCall, Task, denoise
from pipelines.engines.detailing import Detailing, of_one_box
from pipelines.engines.dissolving import Dissolution
from pipelines.engines.enlarging import Enlarged
from pipelines.engines.ladder import Try
from pipelines.engines.modifiers.attention import Watcher
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.modifiers.classifying import Classified
from pipelines.engines.modifiers.control import following
from pipelines.engines.modifiers.filming import Film
from pipelines.engines.modifiers.guiding import modifiers_of
from pipelines.engines.modifiers.regions import Regional
from pipelines.engines.modifiers.reusing import Reused
from pipelines.engines.modifiers.tiling import Tiling, edges_of
from pipelines.engines.passes import Outcome, Pass, Run, size_of_pass
from pipelines.engines.planning import measured_peak
from pipelines.engines.refining import REFINER, handed_over, states_of
from pipelines.engines.replay import CALLED, Replayed, Room
from pipelines.engines.starting import Maker, Start
from pipelines.engines.tiles import Tiles
from pipelines.errors import Kept, Note, NotFinite
from pipelines.fields import there
from pipelines.leading import Control
from pipelines.models.detector import Detector
from pipelines.models.device import is_out_of_memory
from pipelines.models.memory import Ways
from pipelines.models.weights.arranging import arrange, can_widen, widened
from pipelines.models.weights.components import Components
from pipelines.prompts.grammar import prompts_in
from pipelines.prompts.wish import Wish
from pipelines.sampling import noise, previews
from pipelines.sampling.schedulers import make_scheduler, timesteps_for
from pipelines.types import Batch, GenerationRequest, Progress
from pipelines.upscaling.network import Network
from pipelines.watching import Attention, Filming

PREVIEW_SECONDS = 0.25


@dataclass(frozen=True, kw_only=True, slots=True)
class Means:
    """What passes work with beside the model. `network`: of the second one's upscaler, where that is a file's;
    `always`: what changes every pass of the model; `controls`: the networks of the request's slots for ControlNets;
    `side`: of a square that suits the model; `detector`: where nobody knows the boxes of details."""

    network: Network | None = None
    always: tuple[Modifier, ...] = ()
    controls: Mapping[str, Any] = field(default_factory=dict)
    side: int = 512
    detector: Detector | None = None


def passes_of(batch: Batch, wish: Wish, means: Means) -> tuple[Pass, ...]:
    """The passes that a request asks for."""
    request, second = batch.request, batch.request.second
    if batch.dissolving is not None:
        return (Dissolution(request=request, dissolving=batch.dissolving),)
    first = request if second is None else replace(request, tiles=None)  # the second alone is too large
    led = (*means.always, *_regional(first, centred=first.init is None), *_led(first, means.controls))
    steps = request.steps_run
    watched: dict[str, Any] = {"watched": batch.attention and first.tiles is None, "filming": batch.filming}
    found = [Denoising(name="first picture", request=first, steps=steps, modifiers=led, **watched)]
    if second is not None and request.hires is not None:
        start, steps = Enlarged(hires=request.hires, network=means.network), request.second_steps_run
        led = (*means.always, *_regional(second), *_led(second, means.controls))
        told: dict[str, Any] = {"wish": wish.second, "before": request.steps_run}
        found.append(Denoising(name="hires", request=second, steps=steps, start=start, modifiers=led, **told))
    if request.refiner is not None:
        found[-1:] = _shared(found[-1], request.refiner_steps)
    details = _details(request, wish, means)
    return tuple(found) if details is None else (*found, details)


def _shared(last: Denoising, refined: int) -> tuple[Denoising, Denoising]:
    """A pass whose last steps are a refiner's. What is settled of the model's nature says nothing of the refiner's,
    and its LoRAs and ControlNets do not fit that."""
    own = last.steps - refined
    without: dict[str, Any] = dict.fromkeys(("prediction_type", "zero_terminal_snr", *there(last.request, Control)))
    request = replace(last.request, **without)
    second = Denoising(
        name=REFINER,
        request=request,
        steps=refined,
        start=handed_over,
        modifiers=(*_regional(request), *_led(request, {})),
        wish=last.wish,
        before=last.before + own,
        done=own,
    )
    return replace(last, steps=own, left=refined), second


def _details(request: GenerationRequest, wish: Wish, means: Means) -> Pass | None:
    box = of_one_box(request, means.side)
    if request.detail is None or box is None:
        return None
    modifiers = (*means.always, *_led(box, {}))

    def repaint(asked: GenerationRequest) -> Pass:
        return Denoising(name="box", request=asked, steps=asked.steps_run, modifiers=modifiers, wish=wish.details)

    find = None if means.detector is None else partial(means.detector.find, request.detail)
    return Detailing(detail=request.detail, request=box, repaint=repaint, modifiers=modifiers, find=find)


def _regional(request: GenerationRequest, *, centred: bool = False) -> tuple[Modifier, ...]:
    """`centred`: it begins with noise alone. Neither a map nor what is kept of other steps can be moved."""
    if request.regions is None:
        return ()
    return (Regional(request.regions, centred=centred and request.reuse is None and not there(request, Control)),)


def _led(request: GenerationRequest, controls: Mapping[str, Any]) -> tuple[Modifier, ...]:
    guided = modifiers_of(request.guiding, prompts_in(request.prompt, request.dialect))
    if request.guiding is not None and request.guiding.classifier > 0:
        guided = (*guided, Classified(request.guiding, request.prompt))
    edges = edges_of(request.tiling)
    tiled = (Tiling(edges=edges),) if any(edges) else ()
    reused = () if request.reuse is None else (Reused(request.reuse),)
    return (*guided, *tiled, *following(request, controls), *reused)


def as_asked(maker: Maker, before: Outcome | None) -> Start:
    """The start of a request's first picture."""
    return maker.make()


@dataclass(frozen=True, kw_only=True, slots=True)
class Sample:
    """Clean latents (images, channels, height, width) and how they came to be."""

    latents: torch.Tensor
    task: Task
    begin: Start
    calls: int  # of the network
    watcher: Watcher | None
    states: tuple[torch.Tensor, ...]  # of the generators
    film: Film | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Denoising:
    """A `Pass`. `start`: what it begins with, of a maker for its images and of what the pass before made of them."""

    name: str
    request: GenerationRequest
    steps: int
    start: Callable[[Maker, Outcome | None], Start] = as_asked
    modifiers: tuple[Modifier, ...] = ()  # before those that the start brings
    watched: bool = False  # where words look
    filming: Filming | None = None
    wish: Wish | None = None  # its request's prompts, as they were read; None: the run's
    before: int = 0  # steps of the passes before
    done: int = 0  # steps of the same noise levels that another model ran before
    left: int = 0  # ... and that another one will run

    @property
    def all_steps(self) -> int:
        """Of its noise levels."""
        return self.done + self.steps + self.left

    def make(self, run: Run, before: Outcome | None) -> Outcome:
        """Once more in float32 when numbers run over, as fp16 does beyond 65,504. Raises `NotFinite`."""
        try:
            return self._made(run, before)
        except NotFinite:
            if not can_widen(run.parts):
                raise
        run.noted["denoised_in"] = "float32"
        try:
            run.parts.give_back()  # weights and work are twice as large
            with widened(run.parts) as parts:
                return self._made(replace(run, parts=parts, replays=None), before)
        except (MemoryError, RuntimeError) as error:
            if not is_out_of_memory(error):
                raise
            raise NotFinite("not_finite_without_float32") from error

    def _made(self, run: Run, before: Outcome | None) -> Outcome:
        conditioning, count = self._conditioned(run), len(run.batch.seeds)

        def work(attempt: Try) -> list[Sample]:
            size = 1 if attempt.ways.singly else count
            groups = [slice(first, first + size) for first in range(0, count, size)]
            asked = run.ending.after
            samples = [self._sample(run, group, conditioning, attempt, before) for group in groups]
            if len(groups) > 1 and run.ending.after != asked:  # told in the middle of one: all of them end there
                samples = [self._sample(run, group, conditioning, attempt, before) for group in groups]
            return samples

        samples = run.climbed("unet", work, count)
        if run.ways.parts_alone:
            run.parts.give_back()  # the network leaves the device
        task = samples[-1].task
        facts: dict[str, Any] = {"steps_run": task.steps_left, "model_calls": samples[-1].calls}
        if task.tiles is not None:
            facts["tiles"] = task.tiles.count(*samples[-1].latents.shape[-2:])
        for told in (samples[-1].begin.facts, *(modifier.facts() for modifier in task.modifiers)):
            facts |= told
        if any(sample.task.stand is not None and sample.task.stand.replayed for sample in samples):
            facts["replayed"] = True
        return Outcome(
            latents=torch.cat([sample.latents for sample in samples]),
            steps=task.steps_left,
            scheduler=task.scheduler,
            canvas=samples[0].begin.canvas,
            facts=facts,
            looks=tuple(look for sample in samples for look in _looks(sample)),
            states=tuple(state for sample in samples for state in sample.states),
            film=tuple(seen for sample in samples if sample.film is not None for seen in sample.film.seen),
        )

    def _conditioned(self, run: Run) -> Conditioning:
        """What the UNet is told. Remembered texts need no text encoder on the device."""
        prompts = run.model.prompts
        run.on_progress(Progress(stage="encoding"))

        def work(attempt: Try) -> Conditioning:
            bring = prompts.before = partial(arrange, run.parts, "text", attempt.ways)
            found = condition(prompts, _seen(self.request), self.wish or run.wish, run.parts, self.all_steps)
            if any(one.stage == "text" for modifier in self.modifiers for one in modifier.weights):
                bring()
            for modifier in self.modifiers:
                modifier.prepare(run.parts)
            return found

        return run.climbed("text", work)

    def _sample(
        self, run: Run, places: slice, conditioning: Conditioning, attempt: Try, before: Outcome | None
    ) -> Sample:
        parts, request, seeds = run.parts, self.request, run.batch.seeds[places]
        # 3. make noise, each image's from its own seed, and lay it over the picture if there is one
        scheduler = make_scheduler(request.sampler, request.schedule, _scheduler_config(parts, request), seeds)
        timesteps = timesteps_for(scheduler, request.steps, self.steps + self.left, parts.placement.device)
        maker = Maker(
            parts=parts,
            request=request,
            generators=noise.generators(seeds),
            scheduler=scheduler,
            timesteps=timesteps,
            ways=attempt.ways,
            rungs=run.rungs,
            on_progress=run.on_progress,
            first=places.start,
        )
        begin = self.start(maker, None if before is None else before.of(places))
        # 4. denoise
        watcher = Watcher(parts.tokenizers[0], self.wish or run.wish, self.all_steps) if self.watched else None
        film = self._film(places.start, len(seeds))
        watching = tuple(one for one in (watcher, film) if one is not None)
        task = Task(
            unet=parts.unet,
            scheduler=scheduler,
            timesteps=timesteps,
            steps=self.steps,
            conditioning=conditioning,
            generators=maker.generators,
            modifiers=(*self.modifiers, *begin.modifiers, *watching),
            ending=run.ending,
            before=self.before,
            done=self.done,
            left=self.left,
            tiles=Tiles.of(request, parts.vae_factor),
        )
        arrange(parts, "unet", attempt.ways)
        task = replace(task, stand=self._stand(run, task, attempt.ways))
        report, calls = self._reporter(run, task, attempt.ways), 0

        def after_call(call: int, seen: torch.Tensor, prediction: torch.Tensor) -> None:
            nonlocal calls
            calls = call + 1
            try:
                report(call, seen, prediction)
            except Kept:
                run.ending.after = self.before + task.own_step(call)

        with measured_peak(parts.placement) as taken:
            latents = denoise(task, begin.latents, after_call)
        if not attempt.rungs and (task.stand is None or task.stand.made):  # a replay says nothing of what a call takes
            run.planner.learn(parts, size_of_pass(parts, self, len(run.batch.seeds)), attempt.ways, "step", taken())
        states = states_of(maker.generators)
        return Sample(latents=latents, task=task, begin=begin, calls=calls, watcher=watcher, film=film, states=states)

    def _stand(self, run: Run, task: Task, ways: Ways) -> Replayed | None:
        """What the calls of the network are asked of, where a card may replay them."""
        replays, parts = run.replays, run.parts
        if replays is None or not replays.may_capture or not task.capturable or ways.streamed or ways.narrow:
            return None
        each = run.planner.graph(parts, size_of_pass(parts, self, len(run.batch.seeds)), ways)
        return replays.of(task.unet, calls=task.calls, room=Room(most=run.spare, each=each))

    def _film(self, first: int, count: int) -> Film | None:
        """Of one of these images: so many from `first` on."""
        if self.filming is None or not first <= self.filming.image < first + count:
            return None
        return Film(self.filming.moments, self.filming.image - first)

    def _reporter(self, run: Run, task: Task, ways: Ways) -> AfterCall:
        """Tells of every call of the UNet, with a preview of the first image now and then."""
        throttle = previews.Throttle(PREVIEW_SECONDS)
        order = task.scheduler.order
        warning = self._pace_watch(run, task, ways)

        def after_call(call: int, latents: torch.Tensor, prediction: torch.Tensor) -> None:
            preview = None
            if throttle.due():
                clean = previews.predicted(latents[0], prediction[0], task.timesteps[call], task.scheduler)
                preview = previews.draw(clean, run.model.factors, run.parts.vae_factor)
            # two-call samplers: the second call counts as the next step, so that none is told before it has begun
            step = min((call + order - 1) // order + 1, task.steps_left)
            run.on_progress(
                Progress(stage="denoising", step=step, steps=task.steps_left, preview=preview, warning=warning())
            )

        return after_call

    def _pace_watch(self, run: Run, task: Task, ways: Ways) -> Callable[[], Note | None]:
        """Only a card's driver lends memory; what else slows a processor down is nobody's fault."""
        if not run.parts.placement.moves:
            return lambda: None
        size = size_of_pass(run.parts, self, len(run.batch.seeds))
        after_step = run.pace.watch((run.parts.info.path, size, ways))

        def warning() -> Note | None:
            note = after_step(CALLED if task.stand is None else task.stand.how)
            if note is not None:
                run.noted.setdefault("warnings", []).append(note.to_json())
            return note

        return warning


def _seen(request: GenerationRequest) -> GenerationRequest:
    """As the network is told of it: a tile has a picture's size."""
    if request.tiles is None:
        return request
    width, height = request.tiles.size_of(request.width, request.height)
    return replace(request, width=width, height=height)


def _looks(sample: Sample) -> list[Attention]:
    """Where words look, of each image."""
    count, _, height, width = sample.latents.shape
    return [] if sample.watcher is None else [sample.watcher.maps(image, height, width) for image in range(count)]


def _scheduler_config(parts: Components, request: GenerationRequest) -> dict[str, Any]:
    """The model's own, but for what the request says of the model's nature."""
    said = {"prediction_type": request.prediction_type, "rescale_betas_zero_snr": request.zero_terminal_snr}
    return {**parts.scheduler_config, **{name: value for name, value in said.items() if value is not None}}
