"""Noise levels against the published formulas."""

import pytest

from pipelines.sampling.samplers import DENOISERS
from pipelines.sampling.schedulers import make_scheduler
from tests.sampling import reference
from tests.sampling.common import OLD_NUMPY, PAIRS, meant

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings(OLD_NUMPY)]

# UniPC is not k-diffusion's, but runs on the same levels
ON_LEVELS = [pair for pair in PAIRS if pair[0] in {*reference.SOLVERS, "UniPC"}]


def once_each(sigmas: list[float], steps: int, order: int) -> list[float]:
    """A list with doubled levels (order 2: s0 s1 s1 s2 s2 … 0) as one with each level once."""
    if order == 1:
        return sigmas
    assert sigmas[1 : 2 * steps - 1 : 2] == sigmas[2 : 2 * steps : 2]
    return [sigmas[0], *sigmas[1 : 2 * steps : 2]]


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(("name", "schedule"), ON_LEVELS)
def test_levels_agree_with_the_formulas(name: str, schedule: str, prediction: str) -> None:
    config = {**reference.SD_CONFIG, "prediction_type": prediction}
    for steps in (1, 2, 7, 20, 50):
        scheduler = make_scheduler(name, schedule, config)
        scheduler.set_timesteps(steps)
        found = once_each(scheduler.sigmas.tolist(), steps, DENOISERS[name].calls)
        assert found == pytest.approx(reference.levels(meant(name, schedule), steps), abs=1e-4), steps
        assert scheduler.config.prediction_type == prediction


@pytest.mark.parametrize(("name", "schedule"), ON_LEVELS)
def test_the_model_is_told_the_timestep_of_the_level_it_sees(name: str, schedule: str) -> None:
    scheduler = make_scheduler(name, schedule, reference.SD_CONFIG)
    scheduler.set_timesteps(12)
    told = [reference.level_at(t) for t in scheduler.timesteps.tolist()]
    wanted = reference.levels(meant(name, schedule), 12)[:-1]
    assert told[:: scheduler.order] == pytest.approx(wanted, rel=1e-4)


def test_known_ends_of_stable_diffusion() -> None:
    # published with SD 1: sigma_min 0.0292, sigma_max 14.6146
    assert reference.LEVELS[0] == pytest.approx(0.0292, abs=5e-5)
    assert reference.LEVELS[-1] == pytest.approx(14.6146, abs=5e-5)


@pytest.mark.parametrize("schedule", DENOISERS["DEIS"].schedules)
def test_deis_ends_at_the_smallest_trained_level(schedule: str) -> None:
    scheduler = make_scheduler("DEIS", schedule, reference.SD_CONFIG)
    scheduler.set_timesteps(9)
    assert scheduler.sigmas.tolist() == pytest.approx(reference.levels(schedule, 10)[:-1], abs=1e-4)
    assert len(scheduler.timesteps) == 9


@pytest.mark.parametrize("name", ["DDIM", "DDPM"])
def test_sgm_uniform_begins_at_the_last_timestep_where_automatic_does_not(name: str) -> None:
    first = {}
    for schedule in DENOISERS[name].schedules:
        scheduler = make_scheduler(name, schedule, reference.SD_CONFIG)
        scheduler.set_timesteps(20)
        first[schedule] = int(scheduler.timesteps[0])
    assert first == {"automatic": 951, "sgm uniform": 999}
