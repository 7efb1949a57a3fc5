"""The text encoder: a small CLIPTextModel that learns to say what a caption means, and is then frozen.

Linear heads read every attribute off the end token and off the padding behind it. So each of those tokens carries the
whole caption, and the UNet's cross-attention finds an answer wherever it looks.
"""

import random
from pathlib import Path

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from tools.train_builtin import tokenizer as tokenizers
from tools.train_builtin.captions import caption, fragment, plain_prompt
from tools.train_builtin.muon import Muon
from tools.train_builtin.together import Clock, Team, cosine, mixed, read_checkpoint, save_checkpoint, set_rate
from tools.train_builtin.world import HEADS, draw_picture, labels

WIDTH = 192
RATE = 1e-3
BATCH = 64
FRAGMENTS = 0.25  # share of captions that name a few attributes only
IGNORED = -100
LENGTHS = (32, 32, 32, 32, 32, 77)  # the UNet trains on short padding, people generate with the full 77


class Reader(nn.Module):
    """The encoder and the heads it is trained with."""

    def __init__(self, tokenizer: CLIPTokenizer) -> None:
        super().__init__()
        self.encoder = CLIPTextModel(
            CLIPTextConfig(
                vocab_size=len(tokenizer),
                hidden_size=WIDTH,
                intermediate_size=512,
                num_hidden_layers=4,
                num_attention_heads=6,
                max_position_embeddings=tokenizers.LENGTH,
                bos_token_id=tokenizer.bos_token_id,
                eos_token_id=tokenizer.eos_token_id,
                pad_token_id=tokenizer.eos_token_id,
                projection_dim=WIDTH,
            )
        )
        self.heads = nn.ModuleList(nn.Linear(WIDTH, len(classes)) for classes in HEADS.values())

    def forward(self, ids: Tensor, at: Tensor) -> list[Tensor]:
        """Head scores (batch, classes) read at token `at` (batch,) of the captions `ids` (batch, length)."""
        hidden = self.encoder(input_ids=ids).last_hidden_state.float()  # (batch, length, width)
        read = hidden[torch.arange(len(ids), device=ids.device), at]
        return [head(read) for head in self.heads]


def encode_texts(tokenizer: CLIPTokenizer, texts: list[str], length: int) -> Tensor:
    """Token ids (texts, length), padded with the end token."""
    ids: Tensor = tokenizer(
        texts, padding="max_length", max_length=length, truncation=True, return_tensors="pt"
    ).input_ids
    return ids


def sample_batch(tokenizer: CLIPTokenizer, rng: random.Random) -> tuple[Tensor, Tensor]:
    """Random captions as ids (batch, length) and their labels (batch, heads); heads not named are ignored."""
    texts, targets = [], []
    names = list(HEADS)
    for _ in range(BATCH):
        if rng.random() < FRAGMENTS:
            picture = draw_picture(rng, two_share=0.0)
            text, named = fragment(picture, rng)
            target = [value if name in named else IGNORED for name, value in zip(names, labels(picture), strict=True)]
        else:
            picture = draw_picture(rng, two_share=0.2)
            text, target = caption(picture, rng), labels(picture)
        texts.append(text)
        targets.append(target)
    return encode_texts(tokenizer, texts, rng.choice(LENGTHS)), torch.tensor(targets)


def positions_to_read(ids: Tensor, end_token: int) -> Tensor:
    """Per caption the end token (one in three) or any padding behind it."""
    batch, length = ids.shape
    end = (ids == end_token).int().argmax(1)
    behind = (end + (torch.rand(batch) * (length - end)).long()).clamp(max=length - 1)
    return torch.where(torch.rand(batch) < 0.35, end, behind)


def make_optimizers(reader: Reader) -> list[torch.optim.Optimizer]:
    """Muon for the matrices of the layers, AdamW for embeddings, norms and heads."""
    inside = [p for name, p in reader.named_parameters() if "layers" in name and p.ndim == 2]
    chosen = {id(p) for p in inside}
    rest = [p for p in reader.parameters() if id(p) not in chosen]
    adam = torch.optim.AdamW([{"params": rest, "base_lr": RATE}], RATE, betas=(0.9, 0.98), weight_decay=0.01)
    return [Muon(inside, 2 * RATE), adam]


def train(rank: int, processes: int, work: Path, seconds: float) -> None:
    """Train until the time is used up."""
    team = Team(work, "text", rank, processes)
    tokenizer = tokenizers.read(work / "tokenizer")
    torch.manual_seed(0)
    reader = Reader(tokenizer)
    saved = read_checkpoint(work / "text.pt")
    if saved:
        reader.load_state_dict(saved["weights"])
    reader.train().to(team.device)
    parameters = list(reader.parameters())
    optimizers = make_optimizers(reader)
    clock = Clock(team, "text encoder", seconds, saved["spent"] if saved else 0.0)
    rng = random.Random(f"{rank} {clock.spent:.0f}")
    torch.manual_seed(rank)
    step, progress = 0, clock.progress()
    while progress < 1:
        for optimizer in optimizers:
            set_rate(optimizer, min(1.0, (step + 1) / 30) * cosine(progress))
        ids, target = sample_batch(tokenizer, rng)
        at = positions_to_read(ids, tokenizer.eos_token_id)
        with mixed(team.device):
            scores = reader(ids.to(team.device), at.to(team.device))
        target = target.to(team.device)
        loss = sum(
            (F.cross_entropy(s.float(), target[:, head], ignore_index=IGNORED) for head, s in enumerate(scores)),
            start=torch.zeros(()),
        )
        torch.autograd.backward(loss)
        nn.utils.clip_grad_norm_(parameters, 1.0)
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()
        step += 1
        if step % 10 == 0:
            team.average(parameters)
            progress = clock.progress()
            clock.note(loss=loss.item(), step=step)
            if team.leads and clock.save_due():
                save_checkpoint(work / "text.pt", {"weights": reader.state_dict(), "spent": clock.spent})
    if team.leads:
        save_checkpoint(work / "text.pt", {"weights": reader.state_dict(), "spent": clock.spent})
        reader.eval().encoder.save_pretrained(work / "text_encoder")
        for held_out in (False, True):
            print("held-out pairs" if held_out else "seen pairs", accuracy(reader, tokenizer, held_out=held_out))
    team.leave()


@torch.no_grad()
def accuracy(reader: Reader, tokenizer: CLIPTokenizer, *, held_out: bool, count: int = 600) -> dict[str, float]:
    """Share of plain prompts whose attribute each head reads rightly at the last padding token."""
    rng = random.Random("text test")
    pictures = [draw_picture(rng, held_out=held_out, two_share=0.3) for _ in range(count)]
    device = next(reader.parameters()).device
    ids = encode_texts(tokenizer, [plain_prompt(picture) for picture in pictures], tokenizers.LENGTH).to(device)
    target = torch.tensor([labels(picture) for picture in pictures])
    scores = reader(ids, torch.full((count,), tokenizers.LENGTH - 1, device=device))
    return {
        name: round((score.argmax(1).cpu() == target[:, head]).float().mean().item(), 3)
        for head, (name, score) in enumerate(zip(HEADS, scores, strict=True))
    }
