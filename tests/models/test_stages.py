"""While a model loads, each part is told with the percentage of the bytes before it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import Cancelled
from pipelines.types import GenerationRequest, Progress

pytest.importorskip("torch")
pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]


@pytest.mark.parametrize("layout", ["single", "folder"])
def test_every_part_is_told_once_and_may_be_cancelled(layout: str, tmp_path: Path) -> None:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    made = RandomModel("sd15", tiny=True, vocabulary=600 if layout == "folder" else 49_408)
    path = tmp_path / ("real.safetensors" if layout == "single" else "real")
    if layout == "single":
        made.write_single(path)
    else:
        made.write_folder(path)
    engine = LocalEngine((tmp_path,), device="cpu")
    request = GenerationRequest(model="real", width=64, height=64, steps=1, seed=1)
    batch = next(request.batches_from(1))
    told: list[Progress] = []

    def until_vae(progress: Progress) -> None:
        if progress.stage == "loading vae":
            raise Cancelled("stopped")

    try:
        with pytest.raises(Cancelled):
            engine.generate(batch, until_vae)
        assert engine.manager.current is None
        engine.generate(batch, told.append)
        parts = [one for one in told if one.stage.startswith("loading ")]
        assert {one.stage for one in parts} == {"loading unet", "loading vae", "loading text_encoder"}
        percents = [one.step for one in parts]
        assert percents == sorted(percents)
        assert percents[0] == 0
        assert 0 < percents[1] <= percents[2] < 100
        assert all(one.steps == 100 for one in parts)
        told.clear()
        engine.generate(batch, told.append)
        assert not [one for one in told if one.stage.startswith("loading ")], "it is loaded already"
    finally:
        engine.close()
