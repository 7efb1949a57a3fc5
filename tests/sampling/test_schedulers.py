"""Making schedulers: what is kept of the model, what is told of it, real networks."""

import json
from typing import Any

import diffusers
import pytest
import torch

from pipelines.errors import ModelError
from pipelines.sampling.noise import generators, randn
from pipelines.sampling.samplers import DENOISERS
from pipelines.sampling.schedulers import make_scheduler, resolved, step, timesteps_for
from tests.refusals import failing
from tests.sampling.common import OLD_NUMPY, PAIRS, meant, run
from tests.sampling.reference import SD_CONFIG

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]


@pytest.fixture(scope="module")
def tiny_unet() -> Any:
    torch.manual_seed(0)
    return diffusers.UNet2DConditionModel(
        sample_size=6,
        block_out_channels=(8, 16),
        layers_per_block=1,
        norm_num_groups=4,
        cross_attention_dim=8,
        attention_head_dim=4,
        down_block_types=("CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D"),
    ).eval()


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_a_network_takes_the_timesteps_and_the_result_is_finite(name: str, schedule: str, tiny_unet: Any) -> None:
    words = torch.ones(1, 3, 8)

    def model(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        with torch.inference_mode():
            predicted: torch.Tensor = tiny_unet(latents, timestep, encoder_hidden_states=words, return_dict=False)[0]
        return predicted

    latents, _ = run(name, schedule, steps=3, seeds=[1], model=model)
    assert torch.isfinite(latents).all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("name", DENOISERS)
def test_half_precision_predictions_stay_finite(name: str, dtype: torch.dtype) -> None:
    def model(latents: torch.Tensor, timestep: torch.Tensor) -> torch.Tensor:
        return (0.3 * torch.sin(latents)).to(dtype)

    latents, _ = run(name, "automatic", steps=4, seeds=[1], model=model)
    assert torch.isfinite(latents).all()


@pytest.mark.parametrize("name", DENOISERS)
def test_the_model_keeps_its_own_betas_and_prediction(name: str) -> None:
    config = {**SD_CONFIG, "beta_end": 0.02, "beta_schedule": "linear", "prediction_type": "v_prediction"}
    scheduler = make_scheduler(name, "automatic", config)
    betas = torch.linspace(0.00085, 0.02, 1000)
    assert torch.allclose(scheduler.alphas_cumprod, torch.cumprod(1 - betas, 0), rtol=1e-4)
    assert scheduler.config.prediction_type == "v_prediction"


@pytest.mark.parametrize("name", DENOISERS)
def test_zero_terminal_snr_is_kept_by_every_sampler(name: str) -> None:
    config = {**SD_CONFIG, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}
    scheduler = make_scheduler(name, "automatic", config)
    wanted = diffusers.DDPMScheduler(
        beta_start=0.00085, beta_end=0.012, beta_schedule="scaled_linear", rescale_betas_zero_snr=True
    ).alphas_cumprod
    assert torch.allclose(scheduler.alphas_cumprod[:-1], wanted[:-1], rtol=1e-2, atol=1e-7)
    assert 0 < float(scheduler.alphas_cumprod[-1]) < 1e-7
    assert resolved(scheduler)["rescaled_betas"] is True


def test_solver_settings_of_the_models_file_do_not_leak_in() -> None:
    plain = make_scheduler("DPM++ 2M", "automatic", SD_CONFIG)
    odd = {**SD_CONFIG, "algorithm_type": "sde-dpmsolver++", "use_karras_sigmas": True, "thresholding": True}
    assert resolved(make_scheduler("DPM++ 2M", "automatic", odd)) == resolved(plain)


@pytest.mark.parametrize("prediction", ["sample", "flow_prediction"])
def test_models_that_predict_something_else_are_refused(prediction: str) -> None:
    with failing(ModelError, "prediction_unknown", value=prediction):
        make_scheduler("Euler", "automatic", {**SD_CONFIG, "prediction_type": prediction})


def test_a_schedule_the_sampler_lacks_is_refused() -> None:
    with pytest.raises(KeyError, match="DDIM has no schedule 'karras'"):
        make_scheduler("DDIM", "karras", SD_CONFIG)


@pytest.mark.parametrize("name", DENOISERS)
def test_two_runs_share_no_state(name: str) -> None:
    first, second = (make_scheduler(name, "automatic", SD_CONFIG) for _ in range(2))
    assert first is not second
    wanted, _ = run(name, "automatic", steps=3, seeds=[1])
    own = generators([1])
    timesteps = timesteps_for(first, 3, 3)
    timesteps_for(second, 7, 5)
    latents = randn((4, 6, 6), own) * first.init_noise_sigma
    for timestep in timesteps:
        seen = first.scale_model_input(latents, timestep)
        latents = step(first, 0.3 * torch.sin(1.7 * seen + 0.001 * float(timestep)), timestep, latents, own)
        if name != "LMS":
            second.scale_model_input(latents, second.timesteps[-1])
    assert torch.equal(latents, wanted)


def _spaced(name: str, schedule: str) -> bool:
    return name in ("DDIM", "DDPM") and schedule == "sgm uniform"


@pytest.mark.parametrize(("name", "schedule"), PAIRS)
def test_what_metadata_keeps_is_json_and_names_the_solver(name: str, schedule: str) -> None:
    facts = resolved(make_scheduler(name, schedule, SD_CONFIG))
    assert json.loads(json.dumps(facts, allow_nan=False)) == facts
    assert facts["schedule"] == meant(name, schedule)
    assert issubclass(getattr(diffusers, facts["base"]), diffusers.SchedulerMixin)
    assert facts["options"]["beta_end"] == 0.012
    own = {key: value for key, value in DENOISERS[name].options.items() if key in facts["options"]}
    assert {key: facts["options"][key] for key in own} == own | (
        {"timestep_spacing": "trailing"} if _spaced(name, schedule) else {}
    )
