"""What only a real graphics card shows: `python -m tools.bench card`, or `python -m tools.bench_card` alone.

A list of sections, each a function from the bench to lines of a table; a new one is one more in `SECTIONS`. The weights
are random and made here, the network is not used, and neither the page nor its libraries are imported.
"""

from __future__ import annotations

import argparse
import json
import sys
import traceback
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from tools import card_faults, card_replay
from tools.card_sections import Bench, Card, CudaCard, Found, Section

SECTIONS: tuple[Section, ...] = (*card_faults.SECTIONS, *card_replay.SECTIONS)
MODELS = ("sd15", "sdxl")
NO_CARD = "tools.bench card: torch finds no CUDA card here; without one the tests put something in its place."
ROW = "{:<11} {:>5}  {:<26} {:<5} {}"


@dataclass(frozen=True, slots=True)
class Line:
    section: Section
    found: Found


def add_card_options(command: argparse.ArgumentParser) -> None:
    names = [section.name for section in SECTIONS]
    command.add_argument("--only", nargs="+", choices=names, default=names, help="sections; default: all")
    command.add_argument("--model", choices=MODELS, default=MODELS[0], help="of random weights; default %(default)s")
    command.add_argument(
        "--limit-gb", type=float, default=4.0, help="memory of the smaller card that is pretended; default %(default)s"
    )


def bench_card(arguments: argparse.Namespace) -> dict[str, Any]:
    """Prints the table to standard error; all of it as JSON values. Raises SystemExit where there is no card."""
    import torch

    if not torch.cuda.is_available():
        raise SystemExit(NO_CARD)
    from tools.make_random_checkpoint import RandomModel

    with TemporaryDirectory(prefix="card-", ignore_cleanup_errors=True) as folder:
        RandomModel(arguments.model, tiny=False).write_single(Path(folder) / f"{arguments.model}.safetensors")
        bench = Bench(
            card=CudaCard(), folder=Path(folder), model=arguments.model, limit=round(arguments.limit_gb * 2**30)
        )
        chosen = [section for section in SECTIONS if section.name in arguments.only]
        return report(bench.card, tabled(run(bench, chosen)))


def run(bench: Bench, sections: Sequence[Section]) -> Iterator[Line]:
    """One section after the other; one that ends by an error is a line too, and the others are still run."""
    for section in sections:
        try:
            for found in section.run(bench):
                yield Line(section, found)
        except Exception as error:  # noqa: BLE001 - time on a card is dear
            traceback.print_exc()
            yield Line(section, Found(case="ended by an error", held=False, told=f"{type(error).__name__}: {error}"))
        finally:
            bench.card.relax()


def tabled(lines: Iterable[Line], say: Callable[[str], object] | None = None) -> list[Line]:
    """Each printed as soon as it is there."""
    say = say or (lambda text: print(text, file=sys.stderr, flush=True))
    say(ROW.format("section", "fault", "case", "held", "what came of it"))
    found = []
    for line in lines:
        fault = "" if line.section.fault is None else line.section.fault
        verdict = {True: "yes", False: "NO", None: ""}[line.found.held]
        say(ROW.format(line.section.name, fault, line.found.case, verdict, line.found.told))
        found.append(line)
    return found


def report(card: Card, lines: Sequence[Line]) -> dict[str, Any]:
    """`held`: how many of the promises that were tried."""
    judged = [line.found.held for line in lines if line.found.held is not None]
    sections: dict[str, list[dict[str, Any]]] = {}
    for line in lines:
        sections.setdefault(line.section.name, []).append(asdict(line.found))
    return {"card": card.name, "held": f"{sum(judged)} of {len(judged)}", "sections": sections}


def main() -> None:
    parser = argparse.ArgumentParser(prog="tools.bench_card", description=__doc__)
    add_card_options(parser)
    print(json.dumps({"bench": "card", **bench_card(parser.parse_args())}, indent=1))


if __name__ == "__main__":
    main()
