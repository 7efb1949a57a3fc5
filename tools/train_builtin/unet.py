"""The UNet: learns to remove noise from latents (v-prediction), told by the frozen text encoder what to draw."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from diffusers import AutoencoderKL, DPMSolverMultistepScheduler, UNet2DConditionModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.random import Generator
from torch import Tensor, nn
from transformers import CLIPTextModel

from tools.train_builtin import latents
from tools.train_builtin import tokenizer as tokenizers
from tools.train_builtin.emphasis import SHARE, Emphasis, random_weights, weigh
from tools.train_builtin.latents import LatentSet
from tools.train_builtin.muon import Muon
from tools.train_builtin.text_encoder import WIDTH as TEXT_WIDTH
from tools.train_builtin.text_encoder import encode_texts
from tools.train_builtin.together import Clock, Team, cosine, mixed, read_checkpoint, save_checkpoint, set_rate

WIDTHS = (48, 96, 160, 192)
RATE = 1e-3  # of AdamW; Muon takes three times that
BATCH = 16
AVERAGE_EVERY = 8
EMPTY_CAPTIONS = 0.1  # what guidance is measured against
HIDDEN_PADDING = 0.25  # share of captions that must be understood from their words alone
OTHER_SETS = 0.25  # of the batches: other sizes and pairs of subjects, each set as often as the others
SHORT = 32  # tokens; nearly all captions end before, and attention to padding costs time


def build() -> UNet2DConditionModel:
    """The untrained network. Cross-attention only at 8x8 and 4x4; the pooled text also joins the time embedding.

    That second way ("text" addition) reaches every block, also those without attention: colour and style are learned
    several times sooner. It needs nothing from the pipeline but the usual text embeddings.
    """
    return UNet2DConditionModel(
        sample_size=32,
        in_channels=4,
        out_channels=4,
        down_block_types=("DownBlock2D", "DownBlock2D", "CrossAttnDownBlock2D", "CrossAttnDownBlock2D"),
        mid_block_type="UNetMidBlock2D",  # one block without attention: the two levels around it have some
        up_block_types=("CrossAttnUpBlock2D", "CrossAttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        block_out_channels=WIDTHS,
        layers_per_block=1,
        cross_attention_dim=TEXT_WIDTH,
        attention_head_dim=(3, 3, 5, 6),
        norm_num_groups=16,
        resnet_time_scale_shift="scale_shift",
        addition_embed_type="text",
        addition_embed_type_num_heads=6,
    )


def scheduler() -> DPMSolverMultistepScheduler:
    """Noise levels. `beta_end` is above the usual 0.012: flat pictures show through the noise for longer."""
    return DPMSolverMultistepScheduler(
        beta_start=0.00085,
        beta_end=0.02,
        beta_schedule="scaled_linear",
        num_train_timesteps=1000,
        prediction_type="v_prediction",
        timestep_spacing="trailing",
        steps_offset=1,
    )


@dataclass(frozen=True)
class Batch:
    """Scaled latents (batch, 4, h, w), caption ids (batch, tokens), loss weights (batch, 1, h, w)."""

    latents: Tensor
    ids: Tensor
    weights: Tensor
    empty: Tensor  # ids (1, tokens) of the empty caption
    marks: Tensor  # the colour words (batch, tokens) that have a weight
    emphasis: Tensor  # those weights (batch,)


def sample_batch(pictures: LatentSet, scaling: float, empty: Tensor, emphasis: Emphasis, random: Generator) -> Batch:
    """A random batch; large pictures come fewer at a time, one batch in ten has the full 77 tokens."""
    area = pictures.latents[0, 0].size / 1024
    size = round(BATCH * (20 if torch.cuda.is_available() else 1) / area)
    picked = random.integers(0, len(pictures), size)
    coloured = emphasis.choose(pictures)
    weighed = (random.random(size) < SHARE) & (len(coloured) > 0)
    if weighed.any():
        picked[weighed] = random.choice(coloured, weighed.sum())
    z = torch.from_numpy(pictures.latents[picked].astype(np.float32)) * scaling
    ids = torch.from_numpy(pictures.ids[picked, random.integers(0, pictures.ids.shape[1], size)].astype(np.int64))
    ids[torch.from_numpy(random.random(size) < EMPTY_CAPTIONS)] = empty
    if random.random() < 0.9:
        ids = ids[:, :SHORT].clone()
        ids[:, -1] = empty[-1]
    marks = emphasis.marks(ids, torch.from_numpy(pictures.labels[picked, 1].astype(np.int64)))
    marks &= torch.from_numpy(weighed)[:, None]
    factors = random_weights(marks, random)
    z = emphasis.fade(z, factors)
    return Batch(z, ids, pictures.weights(picked), empty[None, : ids.shape[1]], marks, factors)


def sample_timesteps(size: int, random: Generator) -> Tensor:
    """Half stratified over all noise levels, a third around those where a silhouette is decided, the rest near the end.

    The last levels decide edges and blocks: a style is told by them.
    """
    even = (np.arange(size) + random.random(size)) / size
    shape = random.normal(0.6, 0.18, size)
    fine = 0.3 * random.random(size)
    share = np.choose(random.choice(3, size, p=(0.5, 0.33, 0.17)), (even, shape, fine))
    return torch.from_numpy((share * 1000).astype(np.int64).clip(0, 999))


def hide_padding(hidden: Tensor, ids: Tensor, blank: Tensor) -> Tensor:
    """Some captions without what stands behind their words: those positions become the empty caption's.

    The padding repeats the whole caption. Left alone, the UNet would read nothing else, and a weight on one word
    would change nothing.
    """
    length = ids.shape[1]
    end = (ids == ids[:, -1:]).int().argmax(1)  # the first end token; padding is the same token
    first_hidden = end + (torch.rand(len(ids), device=ids.device) < 0.5)
    hide = torch.arange(length, device=ids.device) >= first_hidden[:, None]
    hide &= torch.rand(len(ids), 1, device=ids.device) < HIDDEN_PADDING
    return torch.where(hide[..., None], blank[:, :length], hidden)


def loss_of(unet: nn.Module, text: nn.Module, batch: Batch, t: Tensor, signal: Tensor) -> Tensor:
    """Weighted squared error of the predicted velocity; `signal` holds alpha_bar of every timestep."""
    device = signal.device
    z = batch.latents.to(device).contiguous(memory_format=torch.channels_last)
    a = signal[t].view(-1, 1, 1, 1)
    noise = torch.randn_like(z)
    noisy = a.sqrt() * z + (1 - a).sqrt() * noise
    velocity = a.sqrt() * noise - (1 - a).sqrt() * z
    with mixed(device):
        with torch.no_grad():
            ids = batch.ids.to(device)
            hidden = text(input_ids=torch.cat([ids, batch.empty.to(device)])).last_hidden_state
            blank, hidden = hidden[-1:], hidden[:-1]  # (batch, tokens, text width)
            hidden = weigh(hidden, batch.marks.to(device), batch.emphasis.to(device))
            hidden = hide_padding(hidden, ids, blank)
        guess = unet(noisy, t, hidden).sample
    error: Tensor = ((guess.float() - velocity).pow(2) * batch.weights.to(device)).mean()
    return error


def make_optimizers(unet: UNet2DConditionModel) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, AdamW for vectors and for the first and last layers."""
    outer = ("conv_in", "conv_out", "time_embedding", "add_embedding")
    inside: list[nn.Parameter] = []
    rest: list[nn.Parameter] = []
    for name, parameter in unet.named_parameters():
        matrix = parameter.ndim >= 2 and not name.startswith(outer)
        (inside if matrix else rest).append(parameter)
    adam = torch.optim.AdamW([{"params": rest, "base_lr": RATE}], RATE, betas=(0.9, 0.99), weight_decay=0.0)
    return [Muon(inside, 3 * RATE, turns=1 if torch.cuda.is_available() else 2), adam]


class MovingAverage:
    """A running mean of the weights over roughly the last tenth of the training."""

    def __init__(self, parameters: Sequence[nn.Parameter]) -> None:
        self.tensors = [p.detach().clone() for p in parameters]
        self.updates = 0

    @torch.no_grad()
    def update(self, parameters: Sequence[nn.Parameter]) -> None:
        self.updates += 1
        decay = min(0.97, self.updates / (self.updates + 10))
        for mean, p in zip(self.tensors, parameters, strict=True):
            mean.lerp_(p, 1 - decay)


@dataclass
class State:
    """What a checkpoint holds: the network, its optimizers and their mean, and how far it came."""

    unet: UNet2DConditionModel
    optimizers: list[torch.optim.Optimizer]
    mean: MovingAverage
    seen: int = 0  # samples
    spent: float = 0.0  # seconds

    def save(self, path: Path) -> None:
        saved = {"weights": self.unet.state_dict(), "mean": self.mean.tensors, "updates": self.mean.updates}
        saved |= {"optimizers": [optimizer.state_dict() for optimizer in self.optimizers]}
        save_checkpoint(path, saved | {"seen": self.seen, "spent": self.spent})


def resume(path: Path, device: torch.device) -> State:
    """A fresh start, or the checkpoint if there is one."""
    torch.manual_seed(0)
    unet = build()
    unet.set_attn_processor(AttnProcessor())  # its backward is a quarter cheaper on a CPU than the fused one's
    saved = read_checkpoint(path)
    if saved:
        unet.load_state_dict(saved["weights"])
    unet.train().to(device, memory_format=torch.channels_last)
    state = State(unet, make_optimizers(unet), MovingAverage(list(unet.parameters())))
    if saved:
        state.mean.tensors = [tensor.to(device) for tensor in saved["mean"]]
        state.mean.updates, state.seen, state.spent = saved["updates"], saved["seen"], saved["spent"]
        for optimizer, old in zip(state.optimizers, saved["optimizers"], strict=True):
            rates = [group["base_lr"] for group in optimizer.param_groups]  # may have been changed since
            optimizer.load_state_dict(old)
            for group, rate in zip(optimizer.param_groups, rates, strict=True):
                group["base_lr"] = rate
    return state


class Batches:
    """Random batches, some of them of other sizes or of two subjects."""

    def __init__(self, work: Path, team: Team, random: Generator) -> None:
        self.sets = latents.load_all(work, team.rank, team.count)
        self.others = [split for split in self.sets if split != "train"]
        self.scaling = float(AutoencoderKL.load_config(work / "vae")["scaling_factor"])
        self.empty = encode_texts(tokenizers.read(work / "tokenizer"), [""], tokenizers.LENGTH)[0]
        self.emphasis = Emphasis(work, tokenizers.read(work / "tokenizer"), self.scaling)
        self.random = random

    def draw(self) -> Batch:
        other = self.random.random() < OTHER_SETS
        split = self.others[self.random.integers(len(self.others))] if other else "train"
        return sample_batch(self.sets[split], self.scaling, self.empty, self.emphasis, self.random)


def train(rank: int, processes: int, work: Path, seconds: float) -> None:
    """Train until the time is used up; resumes from `unet.pt`."""
    team = Team(work, "unet", rank, processes)
    text = CLIPTextModel.from_pretrained(work / "text_encoder").eval().requires_grad_(False).to(team.device)
    state = resume(work / "unet.pt", team.device)
    unet, parameters = state.unet, list(state.unet.parameters())
    random = np.random.default_rng([rank, round(state.spent)])
    torch.manual_seed(1000 * rank + round(state.spent))
    batches = Batches(work, team, random)
    signal = scheduler().alphas_cumprod.to(team.device)
    clock = Clock(team, "unet", seconds, state.spent)
    step, smooth, progress = 0, 1.0, clock.progress()
    while progress < 1:
        for optimizer in state.optimizers:
            set_rate(optimizer, min(1.0, (step + 1) / 40) * cosine(progress, 0.3))
        batch = batches.draw()
        loss = loss_of(unet, text, batch, sample_timesteps(len(batch.ids), random).to(team.device), signal)
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in state.optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step, smooth = step + 1, 0.98 * smooth + 0.02 * loss.item()
        state.seen += len(batch.ids) * processes
        if step % AVERAGE_EVERY == 0:
            team.average(parameters)
            progress, state.spent = clock.progress(), clock.spent
            clock.note(loss=smooth, step=step, samples=state.seen)
            state.mean.update(parameters)
            if team.leads and clock.save_due():
                state.save(work / "unet.pt")
    if team.leads:
        state.save(work / "unet.pt")
    team.leave()
