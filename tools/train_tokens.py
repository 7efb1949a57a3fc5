"""`python -m tools.train_tokens`: the built-in model that draws by masked tokens, of the same world as the other.

Two networks. A tokenizer turns the built-in model's latents (4, 32, 32) into 16 x 16 tokens and back: its quantiser
looks nothing up, each of its channels is a bit (Lijun Yu et al., "Language Model Beats Diffusion", arXiv:2310.05737).
A transformer is shown pictures with some of their tokens masked and learns what was there (Huiwen Chang et al., Muse,
arXiv:2301.00704), told by the built-in model's frozen text encoder.
"""

import argparse
import json
import math
import random
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from diffusers import AmusedScheduler, UVit2DModel, VQModel
from diffusers.models.attention_processor import AttnProcessor
from numpy.random import Generator
from torch import Tensor, nn
from torch.nn import functional
from transformers import CLIPTextModel

from pipelines.engines.local import LocalEngine
from pipelines.families.amused import OWN
from pipelines.sampling.samplers import UNMASKING
from pipelines.types import BUILTIN_TOKENS, GenerationRequest
from tools import stepwise
from tools.train_builtin import judge_net
from tools.train_builtin import tokenizer as tokenizers
from tools.train_builtin.captions import caption
from tools.train_builtin.judge import JUDGE_PATH, MODEL_PATH, Plan, load_pipeline, make_trials, score, sections_of
from tools.train_builtin.latents import FACTOR, SUBJECT_WEIGHT
from tools.train_builtin.muon import Muon
from tools.train_builtin.render import render
from tools.train_builtin.text_encoder import WIDTH as TEXT_WIDTH
from tools.train_builtin.text_encoder import encode_texts
from tools.train_builtin.together import images_to_tensor, mixed
from tools.train_builtin.world import draw_picture

BITS = 10  # of a token
TOKENS = 16  # a side
SIZE = 128  # pixels
MASK = 1 << BITS  # the token that stands for none
CAPTIONS = 3  # of each picture
AT_ONCE, CHECKED = 32, 256  # the first so many are never learned from
BATCH, TOKENIZER_BATCH = 48, 32
ENTROPY = 0.02  # weight: sure of each bit, and each used as often as not
EMPTY, SMOOTHING = 0.1, 0.1  # share of captions left out; of the targets
MICRO = (SIZE, SIZE, 0, 0, 6)  # size, crop and taste, as aMUSEd is told them


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """Latents (n, 4, 32, 32), boxes (n, 2, 4) in pixels, caption ids (n, captions, 77)."""

    latents: Tensor
    boxes: Tensor
    ids: Tensor

    def weights(self, picked: Tensor, side: int) -> Tensor:
        """Of the loss (batch, side, side), with mean 1: a subject is what people look at."""
        maps = torch.ones(len(picked), side, side)
        scale = SIZE // side
        for row, boxes in enumerate(self.boxes[picked].div(scale, rounding_mode="floor").tolist()):
            for left, top, right, bottom in boxes:
                maps[row, top : bottom + 1, left : right + 1] = SUBJECT_WEIGHT if right > left else 1.0
        return maps / maps.mean((1, 2), keepdim=True)


def draw(work: Path, count: int) -> Lesson:
    """Read from the folder, or drawn and encoded anew, a thousand at a time."""
    vae = load_pipeline(MODEL_PATH, torch.float32).vae.eval().to(memory_format=torch.channels_last)
    words = tokenizers.read(MODEL_PATH / "tokenizer")
    return Lesson(**_joined([_shard(work, index, vae, words) for index in range(count // 1000)]))


def _joined(shards: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {name: torch.cat([shard[name] for shard in shards]) for name in shards[0]}


def _shard(work: Path, index: int, vae: Any, words: Any) -> dict[str, Tensor]:
    file = work / f"pictures-{index:03d}.pt"
    if file.is_file():
        read: dict[str, Tensor] = torch.load(file, weights_only=True)
        return read
    rng, latents, boxes, texts = random.Random(f"tokens {index}"), list[Tensor](), list[Any](), list[str]()
    for first in range(0, 1000, AT_ONCE):
        shown = [draw_picture(rng, two_share=0.15) for _ in range(min(AT_ONCE, 1000 - first))]
        drawn = [render(one, rng) for one in shown]
        with torch.no_grad(), mixed(vae.device):
            pixels = images_to_tensor(np.stack([np.asarray(one.image) for one in drawn]), vae.device)
            latents.append(vae.encode(pixels).latent_dist.mean.half())
        boxes += [[*one.boxes, (0, 0, 0, 0)][:2] for one in drawn]
        texts += [caption(one, rng) for one in shown for _ in range(CAPTIONS)]
    found = {
        "latents": torch.cat(latents).contiguous() * vae.config.scaling_factor,
        "boxes": torch.tensor(boxes),
        "ids": encode_texts(words, texts, tokenizers.LENGTH).view(-1, CAPTIONS, tokenizers.LENGTH).short(),
    }
    work.mkdir(parents=True, exist_ok=True)
    torch.save(found, file.with_suffix(".part"))
    file.with_suffix(".part").rename(file)
    return found


# -- the tokenizer


def build_tokenizer() -> VQModel:
    """Untrained. Its table of codes is what the bits say: nearest of it is the sign of each channel."""
    net = VQModel(
        in_channels=4,
        out_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 2,
        up_block_types=("UpDecoderBlock2D",) * 2,
        block_out_channels=(48, 64),
        layers_per_block=1,
        latent_channels=BITS,
        sample_size=SIZE // FACTOR,
        num_vq_embeddings=1 << BITS,
        norm_num_groups=8,
        mid_block_add_attention=False,
        lookup_from_codebook=True,
        scaling_factor=1.0,
    )
    bits = torch.arange(1 << BITS)[:, None] >> torch.arange(BITS) & 1
    net.quantize.embedding.weight.data.copy_(bits * 2.0 - 1)
    net.quantize.embedding.weight.requires_grad_(False)
    return net


def tokens_of(net: VQModel, latents: Tensor) -> Tensor:
    """Latents (n, 4, h, w) -> tokens (n, h/2, w/2)."""
    bits = (net.encode(latents).latents > 0).long()  # (n, BITS, h/2, w/2)
    return (bits << torch.arange(BITS)[:, None, None]).sum(1)


def latents_of(net: VQModel, tokens: Tensor) -> Tensor:
    shape = (*tokens.shape, BITS)
    found: Tensor = net.decode(tokens, force_not_quantize=True, shape=shape).sample
    return found


def tokenizer_loss(net: VQModel, latents: Tensor, weights: Tensor) -> Tensor:
    """How far the latents come back from, and how unsure and how one-sided their bits are."""
    with mixed(latents.device):
        raw = net.encode(latents).latents
    raw = raw.float()
    soft = raw.tanh()
    bits = soft + (torch.where(raw > 0, 1.0, -1.0) - soft).detach()  # the sign, with the gradient of tanh
    with mixed(latents.device):
        back = net.decoder(net.post_quant_conv(bits))
    error = back.float() - latents
    chance = torch.sigmoid(4 * raw)
    sure, even = _entropy(chance).mean(), _entropy(chance.mean((0, 2, 3))).mean()
    return ((error.abs() + error.pow(2)) * weights[:, None]).mean() + ENTROPY * (sure - even)


def _entropy(chance: Tensor) -> Tensor:
    chance = chance.clamp(1e-5, 1 - 1e-5)
    return -(chance * chance.log() + (1 - chance) * (1 - chance).log())


def train_tokenizer(lesson: Lesson, work: Path, steps: int) -> VQModel:
    torch.manual_seed(0)
    net = build_tokenizer().train().to(memory_format=torch.channels_last)
    trained = nn.ModuleList((net.encoder, net.quant_conv, net.post_quant_conv, net.decoder))

    def loss_at(step: int) -> Tensor:
        chance = stepwise.seeded("tokenizer", step)
        picked = torch.from_numpy(chance.integers(CHECKED, len(lesson.latents), TOKENIZER_BATCH))
        latents = lesson.latents[picked].float().contiguous(memory_format=torch.channels_last)
        return tokenizer_loss(net, latents, lesson.weights(picked, SIZE // FACTOR))

    stepwise.train(trained, loss_at, stepwise.Course(work=work / "tokenizer", steps=steps, rate=1.5e-3))
    net.eval().save_pretrained(work / "vqvae")
    return net


@torch.no_grad()
def measure_tokenizer(net: VQModel, lesson: Lesson) -> dict[str, float]:
    """Peak signal to noise against the built-in decoder's own picture, dB; codes in use, of all."""
    vae = load_pipeline(MODEL_PATH, torch.float32).vae.eval()
    latents = lesson.latents[:CHECKED].float()
    tokens = tokens_of(net, latents)
    errors = []
    for first in range(0, CHECKED, AT_ONCE):
        pair = latents[first : first + AT_ONCE], latents_of(net, tokens[first : first + AT_ONCE])
        true, back = (vae.decode(one / vae.config.scaling_factor).sample.clamp(-1, 1) for one in pair)
        errors.append((true - back).pow(2).mean().item())
    return {"psnr": -10 * math.log10(np.mean(errors) / 4), "codes": len(tokens.unique())}


# -- the transformer


def build_transformer() -> UVit2DModel:
    """Untrained: its layers see 8 x 8 places, two convolutional blocks before and behind them know where they are."""
    return UVit2DModel(
        hidden_size=160,
        cond_embed_dim=TEXT_WIDTH,
        micro_cond_encode_dim=8,
        micro_cond_embed_dim=8 * len(MICRO),
        encoder_hidden_size=TEXT_WIDTH,
        vocab_size=MASK + 1,
        codebook_size=1 << BITS,
        in_channels=96,
        block_out_channels=96,
        num_res_blocks=2,
        downsample=True,
        upsample=True,
        block_num_heads=3,
        num_hidden_layers=4,
        num_attention_heads=5,
        intermediate_size=320,
        sample_size=TOKENS,
    )


@torch.no_grad()
def read_captions(text: CLIPTextModel, ids: Tensor) -> tuple[Tensor, Tensor]:
    """Ids (n, 77) -> what the layer before the last says (n, 77, width), and the end token's own (n, width)."""
    with mixed(ids.device):
        told = text(input_ids=ids, output_hidden_states=True)
    return told.hidden_states[-2].float(), told.pooler_output.float()


def masked(tokens: Tensor, chance: Generator) -> Tensor:
    """Some of the tokens (n, h, w) hidden: as many as the cosine of an even chance says."""
    share = torch.from_numpy(np.cos(chance.random(len(tokens)) * math.pi / 2).astype(np.float32))
    order = torch.from_numpy(chance.random(tokens.shape).astype(np.float32)).flatten(1).argsort(1).argsort(1)
    hidden = order < (share * order.shape[1]).ceil().clamp(min=1)[:, None]
    return tokens.masked_fill(hidden.view_as(tokens), MASK)


def transformer_loss(
    net: UVit2DModel, tokens: Tensor, told: tuple[Tensor, Tensor], hidden: Tensor, weights: Tensor
) -> Tensor:
    """Cross entropy of what is hidden. `hidden`: the tokens with some masked (n, h, w)."""
    micro = torch.tensor([MICRO], dtype=torch.float32).expand(len(tokens), -1)
    with mixed(tokens.device):
        logits = net(hidden, told[0], told[1], micro)  # (n, codes, h, w)
    asked = hidden == MASK
    logits, tokens, share = logits.permute(0, 2, 3, 1)[asked].float(), tokens[asked], weights[asked]
    each = functional.cross_entropy(logits, tokens, reduction="none", label_smoothing=SMOOTHING)
    return (each * share).sum() / share.sum()


def optimizers_of(net: nn.Module, rate: float) -> list[torch.optim.Optimizer]:
    """Muon for the matrices inside, AdamW for vectors, tables and the last layer."""
    inside, rest = list[nn.Parameter](), list[nn.Parameter]()
    for name, parameter in net.named_parameters():
        outer = "embeddings" in name or "mlm_layer.conv2" in name or "depthwise" in name
        (rest if outer or parameter.ndim < 2 else inside).append(parameter)
    adam = torch.optim.AdamW([{"params": rest, "base_lr": rate}], rate, betas=(0.9, 0.99), weight_decay=0.0)
    return [Muon(inside, 3 * rate), adam]


def train_transformer(net_of: VQModel, lesson: Lesson, work: Path, steps: int, stop_at: int | None) -> UVit2DModel:
    torch.manual_seed(0)
    net = build_transformer().train()
    net.set_attn_processor(AttnProcessor())  # its backward is a third cheaper on a processor than the fused one's
    text = CLIPTextModel.from_pretrained(MODEL_PATH / "text_encoder").float().eval().requires_grad_(False)
    with torch.no_grad():
        tokens = torch.cat([tokens_of(net_of, part.float()) for part in lesson.latents.split(100)])
    empty = encode_texts(tokenizers.read(MODEL_PATH / "tokenizer"), [""], tokenizers.LENGTH)[0]

    def loss_at(step: int) -> Tensor:
        chance = stepwise.seeded("transformer", step)
        picked = torch.from_numpy(chance.integers(CHECKED, len(tokens), BATCH))
        ids = lesson.ids[picked, torch.from_numpy(chance.integers(0, CAPTIONS, BATCH))].long()
        ids[torch.from_numpy(chance.random(BATCH) < EMPTY)] = empty
        shown = tokens[picked]
        told = read_captions(text, ids)
        return transformer_loss(net, shown, told, masked(shown, chance), lesson.weights(picked, TOKENS))

    course = stepwise.Course(work=work / "transformer", steps=steps, rate=1e-3)
    stepwise.train(net, loss_at, course, stop_at, optimizers_of(net, course.rate))
    return net.eval()


def assemble(net_of: VQModel, net: UVit2DModel, target: Path = OWN) -> None:
    """As aMUSEd's folders are laid out, in half precision, without the parts that are the other built-in model's."""
    AmusedScheduler(mask_token_id=MASK).save_pretrained(target / "scheduler")
    for name, part in (("vqvae", net_of), ("transformer", net)):
        part.half().save_pretrained(target / name)
        part.float()
    for file in target.rglob("*.safetensors"):
        file.chmod(0o644)  # diffusers writes them readable by the owner alone


def measure(model: str, count: int, steps: int, guidance: float) -> dict[str, Any]:
    """Shares of prompts that the judge finds right: of pairs never met, of met ones, of two subjects."""
    engine, judge, found = LocalEngine(device="cpu"), judge_net.read(JUDGE_PATH), {}
    sections = sections_of(make_trials(Plan(main=2 * count, seen=count, two=count, paraphrase=0, row=0)))
    base = GenerationRequest(model=model, width=SIZE, height=SIZE, steps=steps, guidance=guidance)
    base = replace(base, sampler=UNMASKING if model == BUILTIN_TOKENS else base.sampler)
    for name, trials in sections.items():
        drawn = []
        for trial in trials:
            batch = next(replace(base, prompt=trial.prompt, seed=trial.seed).batches_from(trial.seed))
            (made,) = engine.generate(replace(batch, threads=1), lambda _: None)
            drawn.append(np.asarray(made.image))
        found[name] = score(trials, drawn, judge)
    engine.close()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.train_tokens", description=__doc__)
    parser.add_argument("--work", type=Path, default=Path(".seedprint/train_tokens"), help="checkpoints and pictures")
    parser.add_argument("--pictures", type=int, default=24000)
    parser.add_argument("--tokenizer-steps", type=int, default=2000)
    parser.add_argument("--steps", type=int, default=4000)
    parser.add_argument("--stop-at", type=int, help="this step; another start goes on from there")
    options = parser.parse_args()
    torch.set_num_threads(1)
    lesson = draw(options.work, options.pictures)
    net_of = train_tokenizer(lesson, options.work, options.tokenizer_steps)
    print(json.dumps(measure_tokenizer(net_of, lesson)), flush=True)
    assemble(net_of, train_transformer(net_of, lesson, options.work, options.steps, options.stop_at))
    print(json.dumps(measure(BUILTIN_TOKENS, 60, 12, 3.0), indent=1))


if __name__ == "__main__":
    main()
