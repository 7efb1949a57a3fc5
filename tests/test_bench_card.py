"""`python -m tools.bench card` without a card: what it asks for, prints and refuses, and each of its sections on a card
that is a number."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest

from tests.conftest import ROOT
from tests.faults import FAULTS
from tools import bench_card, card_faults, card_replay
from tools.card_sections import Bench, Found, Section

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
SIDE, LARGE_SIDE = 64, 128  # of tiny pictures; tiles of 64² take less than the larger one
RUNS_OVER = 65504  # what the pretended card's numbers do not reach beyond, as fp16


class PretendCard:
    """Weights on it are counted, and a call of the UNet or of the decoder takes what the memory plan's arithmetic says;
    more than there is raises torch's own error. Its bfloat16 runs over where fp16 does, which a processor computes a
    hundred times slower."""

    name, device = "a card that is a number", "cpu"

    def __init__(self, dtype: Any) -> None:
        from tests.engines.card import Counted

        self.counted, self.relaxed = Counted(), 0
        self._dtype, self._limit, self._most = dtype, float("inf"), 0

    def squeeze(self, limit: int) -> None:
        self._limit = limit

    def relax(self) -> None:
        self._limit, self.relaxed = float("inf"), self.relaxed + 1

    def forget_peak(self) -> None:
        self._most = 0

    def peak(self) -> int:
        return self._most

    def recorder(self) -> Any:
        from tests.engines.recording import Tapes

        return Tapes()

    def placed(self, engine: Any, limit: int | None) -> None:
        from tests.engines.card import CardPlacement, Counted

        fresh = Counted(told=limit)
        for one in fields(fresh):
            setattr(self.counted, one.name, getattr(fresh, one.name))
        real = replace(engine.manager.placement, dtype=self._dtype, channels_last=False)
        values = {one.name: getattr(real, one.name) for one in fields(real)}
        engine.manager.placement = CardPlacement(**values, card=self.counted)

    def before(self, module: Any, inputs: Any) -> None:
        """Of every module that is called."""
        from pipelines.models import memory

        kind = type(module).__name__
        if kind not in ("UNet2DConditionModel", "Decoder"):
            return
        shape = memory.shape_of("sd1", bytes_per_number=inputs[0].element_size())
        rows, _, height, width = inputs[0].shape
        per_pixel = shape.decode_per_pixel if kind == "Decoder" else shape.step_per_pixel
        taken = self.counted.used + round(per_pixel * rows * height * width * 64)
        if taken > self._limit:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        self._most = max(self._most, taken)

    def after(self, module: Any, _inputs: Any, output: Any) -> Any:
        if isinstance(module, torch.nn.Conv2d) and output.dtype == torch.bfloat16:
            return output.masked_fill(output.abs() > RUNS_OVER, float("inf"))
        return None


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    RandomModel("sd15", tiny=True, vocabulary=1000).write_folder(folder / "tiny")
    return folder


@pytest.fixture
def bench(models: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest) -> Iterator[Bench]:
    from torch.nn.modules.module import register_module_forward_hook, register_module_forward_pre_hook

    from pipelines.engines import decoding
    from pipelines.models import memory
    from tests.engines.card import checked

    monkeypatch.setattr(card_faults, "SIDE", SIDE)
    monkeypatch.setattr(card_faults, "LARGE_SIDE", LARGE_SIDE)
    monkeypatch.setattr(card_faults, "SPILL_SIDES", (SIDE, LARGE_SIDE))
    monkeypatch.setattr(card_faults, "NEVER", 1000)
    monkeypatch.setattr(card_replay, "SIDE", SIDE)
    monkeypatch.setattr(card_replay, "LARGE_SIDE", LARGE_SIDE)
    monkeypatch.setattr(card_replay, "STEPS", 8)  # four with a map, four without
    monkeypatch.setattr(memory, "TILE", SIDE**2)
    monkeypatch.setattr(decoding, "TILE", SIDE)
    card = PretendCard(getattr(request, "param", torch.float32))
    hooks = (register_module_forward_pre_hook(card.before), register_module_forward_hook(card.after))
    whole = 3070 * LARGE_SIDE**2  # bytes of a decode in float32
    with checked(card.counted, monkeypatch):
        yield Bench(card=card, folder=models, model="tiny", limit=memory.OVERHEAD + whole)
    for hook in hooks:
        hook.remove()


def lines(bench: Bench, name: str) -> list[Found]:
    """All of which must be held."""
    chosen = [section for section in bench_card.SECTIONS if section.name == name]
    found = [line.found for line in bench_card.run(bench, chosen)]
    assert [one for one in found if not one.held] == []
    return found


@pytest.mark.fault(1)
def test_no_memory_while_denoising(bench: Bench) -> None:
    offload, alone, nothing = lines(bench, "denoising")
    assert offload.facts["rungs"] == ["free cache", "offload"]
    assert alone.facts["rungs"] == ["free cache", "offload", "one at a time"]
    assert nothing.told.startswith("too_little_memory")


@pytest.mark.fault(2)
def test_no_memory_while_decoding(bench: Bench) -> None:
    (tiles,) = lines(bench, "decoding")
    assert tiles.facts["rungs"] == ["free cache", "offload", "tile"]


@pytest.mark.fault(3)
def test_a_smaller_card_is_planned_for(bench: Bench) -> None:
    small, large, refused = lines(bench, "spill")
    assert small.facts["plan"] == "whole"
    assert "tiled decode" in large.facts["plan"]
    assert "size_too_large" in refused.told


@pytest.mark.fault(4)
@pytest.mark.parametrize("bench", [torch.bfloat16], indirect=True)
def test_numbers_that_run_over(bench: Bench) -> None:
    unet, decoder, never = lines(bench, "not-finite")
    assert unet.told == decoder.told == "made in float32"
    assert never.told.startswith("not_finite_at")


@pytest.mark.fault(34)
def test_a_card_that_is_lost(tmp_path: Path) -> None:
    asserted, killed = lines(Bench(card=PretendCard(torch.float32), folder=tmp_path, model="builtin"), "lost")
    assert asserted.told.startswith("device_failed; a new worker")
    assert killed.told.startswith("worker_ended; a new worker")


def test_replays_are_the_same_pictures(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    cases, few = card_replay._cases, (f"{SIDE}²", "a ControlNet")
    monkeypatch.setattr(card_replay, "_cases", lambda *given: (one for one in cases(*given) if one[0] in few))
    found = lines(bench, "replay")
    assert [one.case for one in found] == [*few, "the weights left and came back", "a smaller card"]
    assert all(one.facts["bytes"] for one in found[: len(few)])


def test_what_is_not_as_promised_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program without its ladder."""
    from pipelines.engines import ladder

    monkeypatch.setattr(ladder, "is_out_of_memory", lambda error: False)
    (line,) = bench_card.run(bench, [one for one in bench_card.SECTIONS if one.name == "decoding"])
    assert (line.found.held, line.found.case) == (False, "ended by an error")
    assert "OutOfMemory" in line.found.told


def arguments(*options: str) -> argparse.Namespace:
    parser = argparse.ArgumentParser()
    bench_card.add_card_options(parser)
    return parser.parse_args(options)


def test_what_may_be_asked_for(capsys: pytest.CaptureFixture[str]) -> None:
    names = [section.name for section in bench_card.SECTIONS]
    assert (arguments().only, arguments().model, arguments().limit_gb) == (names, "sd15", 4.0)
    assert arguments("--only", "lost", "spill", "--limit-gb", "8").only == ["lost", "spill"]
    with pytest.raises(SystemExit):
        arguments("--only", "abacus")
    assert "abacus" in capsys.readouterr().err


def test_every_fault_of_a_card_has_a_section() -> None:
    assert {section.fault for section in bench_card.SECTIONS if section.fault} == {
        number for number, fault in FAULTS.items() if fault.card
    }


def test_without_a_card_it_is_one_sentence_and_a_status(tmp_path: Path) -> None:
    """And neither the page nor its libraries are imported for it, nor torch before it is needed."""
    script = (
        "import sys, runpy\nimport tools.bench_card\n"
        "early = [one for one in sys.modules if one.partition('.')[0] in ('torch', 'gradio', 'webui', 'fastapi')]\n"
        "sys.argv[1:] = ['card']\n"
        "import torch\ntorch.cuda.is_available = lambda: False\n"
        "try:\n    runpy.run_module('tools.bench', run_name='__main__')\n"
        "finally:\n    late = [one for one in sys.modules if one.startswith(('gradio', 'webui.ui', 'webui.server'))]\n"
        "    print(early, late)\n"
    )
    ran = subprocess.run([sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ran.returncode == 1
    assert ran.stdout.strip() == "[] []"
    assert ran.stderr.strip() == bench_card.NO_CARD


def test_the_table_and_what_is_counted() -> None:
    def good(_: Bench) -> Iterator[Found]:
        yield Found(case="one", held=True, told="fine")
        yield Found(case="speed", held=None, told="12 ms")

    def bad(_: Bench) -> Iterator[Found]:
        yield Found(case="two", held=False, told="not fine", facts={"limit": 5})
        raise ValueError("a bug")

    card, told = PretendCard(torch.float32), list[str]()
    sections = (Section("bad", 2, bad), Section("good", None, good))
    found = bench_card.tabled(bench_card.run(Bench(card=card, folder=Path(), model="tiny"), sections), told.append)
    assert card.relaxed == 2
    cells = [line.split() for line in told]
    assert cells[0][:4] == ["section", "fault", "case", "held"]
    assert cells[1] == ["bad", "2", "two", "NO", "not", "fine"]
    assert cells[2][-4:] == ["NO", "ValueError:", "a", "bug"]
    assert cells[3:] == [["good", "one", "yes", "fine"], ["good", "speed", "12", "ms"]]
    report = json.loads(json.dumps(bench_card.report(card, found)))
    assert (report["card"], report["held"]) == (card.name, "1 of 3")
    assert report["sections"]["bad"][0]["facts"] == {"limit": 5}
