"""What a model is made of: asking for it changes no pixel, every block is told, and nothing stays hooked."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipelines.engines import messages
from pipelines.errors import Cancelled
from pipelines.types import Progress

from .conftest import SMALL, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.local import LocalEngine  # noqa: E402

BATCH = batch_of(SMALL, 3, 4)
LOOKED = replace(BATCH, anatomy=True)


def hooks(engine: LocalEngine) -> int:
    model = engine.manager.current
    assert model is not None
    networks = model.parts.modules  # type: ignore[attr-defined]
    return sum(len(one._forward_hooks) + len(one._forward_pre_hooks) for net in networks for one in net.modules())


def test_looking_changes_no_pixel_and_tells_every_block(engine: LocalEngine) -> None:
    plain, looked = engine.generate(BATCH, ignore), engine.generate(LOOKED, ignore)
    for one, other in zip(plain, looked, strict=True):
        assert np.array_equal(np.asarray(one.image), np.asarray(other.image))
    assert not plain[0].blocks
    assert not looked[1].blocks
    blocks = {(block.part, block.name): block for block in looked[0].blocks}
    model = engine.manager.current
    assert model is not None
    parts = model.parts  # type: ignore[attr-defined]
    for part, network in (("unet", parts.unet), ("text_encoder", parts.text_encoders[0]), ("vae", parts.vae.decoder)):
        assert blocks[part, ""].parameters == sum(one.numel() for one in network.parameters())
        assert blocks[part, ""].seconds is not None, "a prompt that was read before is read again"
    unet, latents = parts.unet.config, SMALL.width // parts.vae_factor
    assert blocks["unet", ""].shape == (unet.out_channels, latents, latents)
    assert blocks["unet", "down_blocks.0"].shape == (unet.block_out_channels[0], latents // 2, latents // 2)
    assert blocks["vae", "conv_out"].shape == (3, SMALL.height, SMALL.width)
    assert blocks["text_encoder", "encoder"].layers == parts.text_encoders[0].config.num_hidden_layers
    assert blocks["unet", ""].words * 2 == blocks["unet", ""].attention > 0
    assert blocks["vae", "encoder"].seconds is None  # a picture from noise alone encodes none


def test_a_model_with_two_text_encoders(tmp_path: Path) -> None:
    from tools.make_random_checkpoint import RandomModel

    RandomModel("sdxl", tiny=True).write_folder(tmp_path / "xl")
    engine = LocalEngine([tmp_path], device="cpu")
    try:
        (result,) = engine.generate(replace(batch_of(replace(SMALL, model="xl"), 3), anatomy=True), ignore)
    finally:
        engine.close()
    worked = {block.part for block in result.blocks if block.name == "" and block.seconds is not None}
    assert worked == {"text_encoder", "text_encoder_2", "unet", "vae"}


def test_what_was_seen_travels(engine: LocalEngine) -> None:
    assert messages.to_batch(messages.from_batch(LOOKED, 1)).anatomy
    results = engine.generate(LOOKED, ignore)
    back = messages.to_results(messages.from_results(results, 1), LOOKED)
    assert [one.blocks for one in back] == [one.blocks for one in results]


def test_nothing_stays_hooked(engine: LocalEngine) -> None:
    engine.generate(BATCH, ignore)
    before = hooks(engine)

    def end(progress: Progress) -> None:
        if progress.step == 2:
            assert hooks(engine) > before
            raise Cancelled("stopped")

    with pytest.raises(Cancelled):
        engine.generate(LOOKED, end)
    assert hooks(engine) == before
