"""Noise of an image depends on its seed alone."""

import pytest
import torch

from pipelines.sampling.noise import generators, randn

pytestmark = pytest.mark.torch


def test_an_image_has_the_same_noise_alone_and_in_any_batch() -> None:
    alone = randn((4, 8, 8), generators([7]))
    batch = randn((4, 8, 8), generators([1, 7, 3]))
    assert batch.shape == (3, 4, 8, 8)
    assert torch.equal(batch[1], alone[0])
    assert not torch.equal(batch[0], batch[1])


def test_it_is_torchs_own_cpu_noise_of_that_seed() -> None:
    wanted = torch.randn(4, 8, 8, generator=torch.Generator("cpu").manual_seed(2**32 - 1))
    assert torch.equal(randn((4, 8, 8), generators([2**32 - 1]))[0], wanted)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float64])
def test_other_dtypes_are_the_cast_float32_draw(dtype: torch.dtype) -> None:
    plain = randn((4, 8, 8), generators([7]))
    assert torch.equal(randn((4, 8, 8), generators([7]), "cpu", dtype), plain.to(dtype))


def test_generators_go_on_from_draw_to_draw() -> None:
    own = generators([7])
    first, second = randn((4,), own), randn((4,), own)
    assert not torch.equal(first, second)
    assert torch.equal(torch.cat([first, second], 1)[0, :4], randn((4,), generators([7]))[0])


@pytest.mark.gpu
def test_the_device_does_not_matter() -> None:
    assert torch.equal(randn((4, 8, 8), generators([7]), "cuda").cpu(), randn((4, 8, 8), generators([7])))
