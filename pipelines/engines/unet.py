"""Models that are run part by part: the recipe from a batch to pictures with a UNet."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import torch

from pipelines import families
from pipelines.engines import refining, running
from pipelines.engines.denoising import Ending
from pipelines.engines.ladder import RUNGS
from pipelines.engines.modifiers.adapting import Weighed
from pipelines.engines.modifiers.base import Modifier
from pipelines.engines.modifiers.dissecting import Dissected
from pipelines.engines.modifiers.referring import referring
from pipelines.engines.modifiers.varying import Varying
from pipelines.engines.passes import Pass, Run, brought, size_of_all
from pipelines.engines.running import Means
from pipelines.engines.work import Work
from pipelines.errors import InvalidRequest
from pipelines.families.base import Made, Stamp
from pipelines.fields import there
from pipelines.leading import Reference
from pipelines.models import controlled, extras, referred, refiners, unclip
from pipelines.models import device as devices
from pipelines.models.adapters import Adapters
from pipelines.models.device import Placement
from pipelines.models.extras import Extras
from pipelines.models.image_encoder import Look
from pipelines.models.memory import Ways
from pipelines.models.referred import Referred
from pipelines.models.resident import Resident
from pipelines.models.stages import OnPart, unheard
from pipelines.models.vocabulary import Words
from pipelines.models.weights.components import Components
from pipelines.models.weights.loading import read
from pipelines.models.weights.unclip import Noising
from pipelines.prompts.encoding import WEIGHTINGS, PromptEncoder
from pipelines.sampling import previews
from pipelines.types import Batch, ModelInfo
from pipelines.upscaling.network import Network

_OWN = "unclip"  # the picture that the model itself looks at


def load(info: ModelInfo, stamp: Stamp, placement: Placement, on_part: OnPart = unheard) -> UNetModel:
    """In main memory. Raises `ModelError`."""
    parts = read(info, placement, on_part)
    factors = previews.published(families.of(info.family).preview)
    if factors is None:
        factors = previews.measured_factors(parts.vae, parts.vae_factor)
    parts = replace(parts, tokenizers=tuple(Words(tokenizer) for tokenizer in parts.tokenizers))
    prompts = PromptEncoder(parts.tokenizers, parts.text_encoders)
    adapters = Adapters(parts, prompts)
    return UNetModel(parts=parts, prompts=prompts, adapters=adapters, factors=factors, stamp=stamp)


@dataclass(frozen=True, kw_only=True, slots=True)
class UNetModel(Resident):
    """A `LoadedModel`."""

    def named(self, info: ModelInfo) -> UNetModel:
        return replace(self, parts=replace(self.parts, info=info))

    def make(self, work: Work) -> Made:
        """Raises `InvalidRequest`, `ModelError`, `NotFinite` and what the device says when its memory runs out."""
        batch = work.batch
        # 1. plan how it fits, with the LoRAs and learned words that the prompts name and no others
        wanted = extras.prepared(work.listing, batch, self.info.family)
        _check_wish(self.parts, batch, self.info)
        network = None if batch.request.hires is None else work.upscaler(batch.request.hires.upscaler)
        always: tuple[Modifier, ...] = (Weighed(self.adapters),) if any(lora.changes for lora in wanted.loras) else ()
        controls = controlled.resolve(work.listing, batch.request, self.info.family)
        references = referred.resolve(work.listing, batch.request, self.info.family)
        networks = work.controls(controls, self.parts)
        refiners.check(work.listing, batch.request, self.info.family)
        refiner = refining.loaded(work)
        always += _looking(references, self.parts, work)
        dissected = Dissected()
        if batch.anatomy:
            always += (dissected,)
            self.prompts.forget()  # else the text encoders have nothing to do
        detector = None if batch.request.detail is None else work.detector(batch.request.detail)
        means = Means(network=network, always=always, controls=networks, side=self.info.native_size, detector=detector)
        passes: tuple[Pass, ...] = running.passes_of(batch, wanted.wish, means)
        for info in _files_of(wanted, controls, references):
            work.hash_soon(info)
        ways, spare = self._ways(work, passes, network)
        if not self.is_as_read and not (ways.narrow and self.adapters.are(wanted.loras)):
            return work.reload().make(work)  # its weights have been rounded
        self.adapters.apply(wanted.loras, wanted.embeddings)
        parts = brought(self.separate_vae.over(self.parts, wanted.vae), passes)
        parts = replace(parts, give_back=work.replays.drop)
        if refiner is not None:
            passes = refining.with_refiner(work, refiner, passes, parts.vae)
        work.set_threads(self)
        run = Run(
            model=self,
            parts=parts,
            batch=batch,
            wish=wanted.wish,
            ways=ways,
            planner=work.planner,
            pace=work.pace,
            on_progress=work.on_progress,
            replays=work.replays,
            spare=spare,
            ending=Ending(after=batch.request.stop_after),
        )
        # 2. encode the prompts, 3. make noise, 4. denoise: together or one by one as memory wants, 5. decode, 6. check
        with dissected.looking(parts) if batch.anatomy else nullcontext():
            pictures, outcome, moments = run.made(passes)
        alone = {"upscaler": network, "refiner": refiner, "detector": detector}
        facts = {**outcome.facts, **_extra_facts(wanted, work), **_network_facts(controls, references, alone, work)}
        facts |= _own_facts(batch, self.info, work)
        facts["prompt_weighting"] = WEIGHTINGS[batch.request.dialect]
        return Made(
            pictures=[(image, _with_rungs(facts | own, run.rungs) | run.noted) for image, own in pictures],
            scheduler=outcome.scheduler,
            ways=ways,
            looks=tuple(outcome.looks),
            moments=moments,
            blocks=dissected.blocks,
            after=run.ending.after if run.ending.after < sum(one.steps for one in passes) else 0,
        )

    def largest(self, work: Work) -> tuple[int, int]:
        return work.planner.largest(self.parts, work.batch.request)

    def quickest_threads(self, all_threads: int) -> int:
        """So small a model as the built-in one may lose more by sharing its work out than it wins."""
        if not self.info.builtin or self.placement.device != "cpu":
            return all_threads
        return quickest_threads(self.parts, all_threads)

    def _ways(self, work: Work, passes: Sequence[Pass], network: Network | None) -> tuple[Ways, int]:
        """And the bytes that they leave; what is kept for speed keeps within them."""
        parts, request = brought(self.parts, passes), work.batch.request
        size = size_of_all(parts, passes, len(work.batch.seeds))
        if network is not None and request.hires is not None:
            size = replace(size, upscaler=network.bytes_for((request.width, request.height), request.hires.tile))
        ways = work.planner.ways(parts, size)
        if self.placement.exact:
            ways = replace(ways, singly=True)
        spare = work.planner.spare(parts, size, ways) if work.replays.may_capture else 0
        work.replays.keep(spare)
        return ways, spare


def _check_wish(parts: Components, batch: Batch, info: ModelInfo) -> None:
    """What only the loaded model tells."""
    request = batch.request
    extras.check_classifier(request, info)
    unclip.check(request, info)
    if parts.editing and request.init is None:
        raise InvalidRequest("init_image", "picture_to_change_needed")
    always_guided = request.guidance > 1 and not (request.guiding is not None and request.guiding.limited)
    rows = len(batch.seeds) * (2 if always_guided else 1)
    if not parts.can_normalize(request.width, request.height, rows):
        raise InvalidRequest("width", "too_small_alone", value=request.width)


def _looking(referred: Mapping[str, Referred], parts: Components, work: Work) -> tuple[Modifier, ...]:
    """What has the network look at the pictures that the new one is to be like."""
    adapters, asked = work.references(referred, parts), there(work.batch.request, Reference)
    looks = {
        slot: Look(info=one.encoder, picture=asked[slot].picture, pieces=adapters[slot].pieces)
        for slot, one in referred.items()
    }
    own = work.batch.request.unclip
    if own is not None:
        looks[_OWN] = Look(info=unclip.encoder_of(parts.info), picture=own.picture, pieces=False)

    @cache
    def seen() -> dict[str, torch.Tensor]:
        return work.seen(looks)  # all at once, by whoever asks first

    referring_to = referring(work.batch.request, adapters, lambda slot: seen()[slot])
    if own is None:
        return referring_to
    return *referring_to, Varying(Noising(Path(parts.info.path)), own.noise_level, lambda: seen()[_OWN])


def _files(name: str, infos: Iterable[ModelInfo], work: Work) -> dict[str, Any]:
    """Named in the record by their hashes, where there are any."""
    found = [{"name": info.name, "sha256": work.hash_of(info)} for info in infos]
    return {name: found} if found else {}


def _files_of(wanted: Extras, controls: Mapping[str, ModelInfo], references: Mapping[str, Any]) -> Iterator[ModelInfo]:
    """All that are recorded in lists."""
    yield from (lora.info for lora in wanted.loras)
    yield from wanted.embeddings
    yield from controls.values()
    for one in references.values():
        yield from (one.adapter, one.encoder)


def _network_facts(
    controls: Mapping[str, ModelInfo], references: Mapping[str, Any], alone: Mapping[str, Any], work: Work
) -> dict[str, Any]:
    """What the record says of the networks beside the model. `alone`: those of which there is one or None, by name."""
    return {
        **_files("controls", controls.values(), work),
        **_files("references", (one.adapter for one in references.values()), work),
        **_files("image_encoders", (one.encoder for one in references.values()), work),
        **{
            name: {"name": one.info.name, "sha256": work.hash_of(one.info)}
            for name, one in alone.items()
            if one is not None
        },
    }


def _own_facts(batch: Batch, info: ModelInfo, work: Work) -> dict[str, Any]:
    """Of the encoder in the model's folder, where it looks at a picture."""
    if batch.request.unclip is None:
        return {}
    encoder = unclip.encoder_of(info)
    return {"unclip_encoder": {"name": f"{info.name}/{unclip.ENCODER}", "sha256": work.hash_of(encoder)}}


def _extra_facts(wanted: Extras, work: Work) -> dict[str, Any]:
    facts: dict[str, Any] = {}
    if wanted.loras:
        facts["loras"] = [
            {"name": lora.info.name, "sha256": work.hash_of(lora.info), **lora.told()} for lora in wanted.loras
        ]
    facts |= _files("embeddings", wanted.embeddings, work)
    if wanted.vae is not None:
        facts["vae"] = {"name": wanted.vae.name, "sha256": work.hash_of(wanted.vae)}
    return facts


def _with_rungs(facts: dict[str, Any], shared: Sequence[str]) -> dict[str, Any]:
    """The rungs of the whole batch and those of one image's decoding together, each once; none: not a word."""
    taken = list(dict.fromkeys([*shared, *facts.pop(RUNGS)]))
    return facts | ({RUNGS: taken} if taken else {})


def quickest_threads(parts: Components, all_threads: int) -> int:
    """1 or `all_threads`: the best of three calls of the UNet each. All must win clearly, so that the choice, which
    touches the last bits of a picture, does not change from start to start."""
    if all_threads == 1 or parts.placement.device != "cpu":
        return all_threads
    unet = parts.unet.config
    size = (2, unet.in_channels, unet.sample_size, unet.sample_size)
    latents = torch.zeros(size, dtype=parts.placement.dtype)
    embeddings = torch.zeros((2, 77, unet.cross_attention_dim), dtype=parts.placement.dtype)
    seconds: dict[int, float] = {}
    for threads in (1, all_threads):
        devices.set_threads(threads)
        times = []
        for _ in range(3):  # the first call of a kind also sets things up
            start = time.perf_counter()
            parts.unet(latents, 1, encoder_hidden_states=embeddings)
            times.append(time.perf_counter() - start)
            if times[-1] > 10 * seconds.get(1, 10):
                break  # a busy machine: threads that wait for each other
        seconds[threads] = min(times)
    return all_threads if seconds[all_threads] < 0.8 * seconds[1] else 1
