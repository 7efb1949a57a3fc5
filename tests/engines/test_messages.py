"""The worker's language: what goes in comes out, and nothing of it is a pickle."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from pipelines import errors
from pipelines.engines import messages
from pipelines.errors import Note
from pipelines.groups import InitImage, Inpaint
from pipelines.types import Batch, EngineState, GenerationRequest, GenerationResult, Progress


def sent(message: messages.Message) -> messages.Message:
    return messages.unpack(messages.pack(message))


def noise(width: int, height: int, mode: str = "RGB") -> Image.Image:
    shape = (height, width, 3) if mode == "RGB" else (height, width)
    return Image.fromarray(np.random.default_rng(1).integers(0, 256, shape, dtype=np.uint8))


def test_a_plain_batch() -> None:
    request = GenerationRequest(prompt='é "quoted" \n 星 {"a": 1}', seed=2**32 - 1, batch_size=3, guidance=7.123456789)
    batch = Batch(request=request, seeds=(2**32 - 1, 0, 1), threads=2, prompt_rules=1)
    assert messages.to_batch(sent(messages.from_batch(batch, 5))) == batch
    assert sent(messages.from_batch(batch, 5)).job == 5


def test_pictures_arrive_pixel_for_pixel() -> None:
    init = InitImage(image=noise(37, 53), strength=0.3, resize_mode="pad")
    inpaint = Inpaint(
        mask=noise(37, 53, "L"),
        mask_blur=3,
        mask_grow=-2,
        invert=True,
        masked_content="fill",
        only_masked=True,
        padding=9,
    )
    request = GenerationRequest(init=init, inpaint=inpaint, width=64, height=72)
    arrived = messages.to_batch(sent(messages.from_batch(Batch(request=request, seeds=(1,)), 1))).request
    assert arrived.init is not None
    assert arrived.inpaint is not None
    assert arrived.init.image.tobytes() == init.image.tobytes()
    assert arrived.inpaint.mask.tobytes() == inpaint.mask.tobytes()
    assert arrived == request  # PIL compares mode, size and pixels


@pytest.mark.parametrize("preview", [None, b"\xff\xd8\x00jpeg"])
def test_progress(preview: bytes | None) -> None:
    slow = Note("slow_step", seconds=8.0, usual=2.0)
    progress = Progress(stage="denoising", step=3, steps=20, preview=preview, warning=slow, pass_number=2, passes=3)
    assert messages.to_progress(sent(messages.from_progress(progress, 1))) == progress


def test_results_come_back_with_the_request_as_run() -> None:
    batch = Batch(request=GenerationRequest(batch_size=2, batches=5), seeds=(8, 9))
    results = [
        GenerationResult(
            image=noise(16, 8),
            request=batch.as_run(position),
            position=position,
            seconds=1.5,
            facts={"device": "cpu", "model": {"name": "x", "sha256": None}},
        )
        for position in range(2)
    ]
    assert messages.to_results(sent(messages.from_results(results, 1)), batch) == results


def every_error() -> list[errors.SeedprintError]:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type)]
    ours = [kind for kind in kinds if issubclass(kind, errors.SeedprintError)]
    return [
        kind("width", "multiple", step=8, value=9) if kind is errors.InvalidRequest else kind("words") for kind in ours
    ]


@pytest.mark.parametrize("error", every_error(), ids=lambda error: type(error).__name__)
def test_every_error_of_ours_arrives_as_itself(error: errors.SeedprintError) -> None:
    arrived = messages.to_error(sent(messages.from_error(error, "trace", 1)))
    assert (type(arrived), str(arrived), vars(arrived)) == (type(error), str(error), vars(error))


def test_a_bug_arrives_with_its_traceback() -> None:
    arrived = messages.to_error(sent(messages.from_error(ZeroDivisionError("oops"), "File x, line 3", 1)))
    assert isinstance(arrived, messages.WorkerFault)
    assert "ZeroDivisionError: oops" in str(arrived)
    assert "line 3" in str(arrived)


def test_state() -> None:
    state = EngineState(state="ready", device="cpu", dtype="bfloat16")
    failed = EngineState(state="failed", message=Note("worker_cannot_start", reason=Note("engine_closed")))
    for one in (state, failed):
        assert messages.to_state(sent(messages.from_state(one))) == one


def test_a_message_cut_short_is_refused() -> None:
    data = messages.pack(messages.from_progress(Progress(stage="decoding", preview=b"12345"), 1))
    for broken in (data[:-1], data + b"x"):
        with pytest.raises(ValueError, match="should have"):
            messages.unpack(broken)
