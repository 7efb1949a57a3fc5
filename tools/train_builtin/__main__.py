"""`python -m tools.train_builtin`: all stages, or one with `--stage`; every stage resumes where it stopped.

python -m tools.train_builtin --hours 4                      # everything, into pipelines/builtin
python -m tools.train_builtin --stage unet --hours 6         # more of one stage: it goes on from its checkpoint
python -m tools.train_builtin.judge                          # how good is it?
"""

import argparse
import os
from collections.abc import Callable
from pathlib import Path

import torch

from tools.train_builtin import (
    assemble,
    data,
    decoder,
    judge_net,
    latents,
    text_encoder,
    together,
    tokenizer,
    unet,
    vae,
)
from tools.train_builtin.judge import JUDGE_PATH, MODEL_PATH

SHARES = {
    "vae": 0.1,
    "text": 0.08,
    "judge": 0.05,
    "unet": 0.7,
    "decoder": 0.07,
}  # of the whole time, where all stages run


def stages(work: Path, hours: float, processes: int, target: Path) -> dict[str, Callable[[], None]]:
    """Every stage, ready to run in this order."""

    def team(train: Callable[..., None], name: str, count: int, *arguments: object) -> None:
        together.launch(train, work, name, count, *arguments)

    def text() -> None:
        if not (work / "tokenizer" / "vocab.json").exists():
            tokenizer.train(work / "tokenizer")
        team(text_encoder.train, "text", 1, hours * 3600 * SHARES["text"])

    return {
        "data": lambda: data.draw_all(work),
        "vae": lambda: team(vae.train, "vae", processes, hours * 3600 * SHARES["vae"]),
        "text": text,
        "judge": lambda: team(judge_net.train, "judge", 1, hours * 3600 * SHARES["judge"], JUDGE_PATH),
        "latents": lambda: team(latents.encode_all, "latents", processes),
        "unet": lambda: team(unet.train, "unet", processes, hours * 3600 * SHARES["unet"]),
        "decoder": lambda: team(decoder.train, "decoder", processes, hours * 3600 * SHARES["decoder"]),
        "assemble": lambda: print(assemble.assemble(work, target)),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m tools.train_builtin", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--stage", choices=list(stages(Path(), 0, 1, Path())), help="only this stage")
    parser.add_argument("--hours", type=float, default=4.0, help="time for all stages, or for the one stage in all")
    parser.add_argument("--work", type=Path, default=Path(".seedprint/train_builtin"), help="data and checkpoints")
    parser.add_argument("--target", type=Path, default=MODEL_PATH, help="where the pipeline is put")
    parser.add_argument("--processes", type=int, help="training processes (default: one a core, at most 4; GPU: 1)")
    options = parser.parse_args()
    processes = options.processes or (1 if torch.cuda.is_available() else min(4, os.cpu_count() or 1))
    # With one stage chosen, the time given is that stage's own.
    hours = options.hours / SHARES.get(options.stage, 1.0) if options.stage else options.hours
    options.work.mkdir(parents=True, exist_ok=True)
    todo = stages(options.work, hours, processes, options.target)
    for name in [options.stage] if options.stage else list(todo):
        print(f"stage {name}", flush=True)
        todo[name]()


if __name__ == "__main__":
    main()
