"""Every sampler with every schedule: calls, determinism, whose noise."""

import pytest
import torch

from pipelines.sampling.samplers import DENOISERS
from tests.sampling.common import OLD_NUMPY, PAIRS, run
from tests.sampling.reference import SD_CONFIG

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]

NO_SIGNAL_LEFT = {**SD_CONFIG, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_calls_are_what_the_spec_says(name: str, schedule: str) -> None:
    spec = DENOISERS[name]
    for steps in (2, 3, 9):
        assert run(name, schedule, steps=steps, seeds=[1])[1] == spec.calls * steps + spec.calls_offset


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_one_step_works_and_takes_one_call(name: str, schedule: str) -> None:
    latents, calls = run(name, schedule, steps=1, seeds=[1])
    assert torch.isfinite(latents).all()
    assert calls == 1


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_same_seeds_same_bits_and_the_global_generator_is_left_alone(name: str, schedule: str) -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    first, _ = run(name, schedule, steps=4, seeds=[5, 6])
    assert torch.equal(before, torch.get_rng_state())
    torch.manual_seed(2)
    again, _ = run(name, schedule, steps=4, seeds=[5, 6])
    assert torch.isfinite(first).all()
    assert torch.equal(first, again)
    other, _ = run(name, schedule, steps=4, seeds=[5, 7])
    assert torch.equal(first[0], other[0])
    assert not torch.equal(first[1], other[1])


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_an_image_alone_is_the_image_in_a_batch(name: str, schedule: str) -> None:
    batch, _ = run(name, schedule, steps=4, seeds=[5, 6, 7])
    alone, _ = run(name, schedule, steps=4, seeds=[6])
    assert torch.equal(batch[1], alone[0])


@pytest.mark.parametrize("name", DENOISERS)
def test_noise_is_drawn_where_the_spec_says(name: str) -> None:
    from pipelines.sampling.noise import generators
    from pipelines.sampling.schedulers import make_scheduler, step, timesteps_for

    results = []
    for seed in (1, 2):
        scheduler = make_scheduler(name, "automatic", SD_CONFIG, [seed])
        latents, own = torch.full((1, 4, 6, 6), 0.5), generators([seed])
        for timestep in timesteps_for(scheduler, 4, 4):
            prediction = 0.1 * scheduler.scale_model_input(latents, timestep)
            latents = step(scheduler, prediction, timestep, latents, own)
        results.append(latents)
    assert torch.equal(*results) == (DENOISERS[name].noise == "none")


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_models_that_end_without_signal_stay_finite(name: str, schedule: str) -> None:
    for steps in (2, 8):
        latents, _ = run(name, schedule, steps=steps, seeds=[1], config=NO_SIGNAL_LEFT)
        assert torch.isfinite(latents).all()


@pytest.mark.parametrize("name", ["LCM", "TCD", "DDPM", "PLMS", "DPM++ 2M"])
def test_the_most_steps_that_can_be_asked_for(name: str) -> None:
    latents, calls = run(name, "automatic", steps=150, seeds=[1])
    assert torch.isfinite(latents).all()
    assert calls == 150 + DENOISERS[name].calls_offset
