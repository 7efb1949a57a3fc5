"""A classifier leads the built-in model: by the formula of the paper, towards the prompt, and made again exactly."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest
from pipelines.leading import Guiding
from pipelines.models.extras import check_classifier
from pipelines.types import ModelInfo
from webui.lab.seen import share_seen

from .conftest import SMALL, Run, batch_of, ignore

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")

from pipelines.engines.conditioning import Predictions  # noqa: E402
from pipelines.engines.local import LocalEngine  # noqa: E402
from pipelines.engines.modifiers import classifying  # noqa: E402
from pipelines.engines.modifiers.base import Call  # noqa: E402
from pipelines.engines.modifiers.classifying import Classified, gradient  # noqa: E402
from pipelines.models import noisy_judge  # noqa: E402
from pipelines.prompts.things import THINGS as NAMES  # noqa: E402
from pipelines.sampling.levels import Level  # noqa: E402

THINGS = {"subject": "star", "colour": "red", "background": "blue"}
LED = Guiding(classifier=2.0)


def call_of(latents: Any, number: int = 0, calls: int = 4) -> Call:
    words = torch.zeros(1, 1, 1)
    told = {"number": number, "calls": calls, "step": number + 1, "timestep": torch.tensor(500)}
    return Call(**told, latents=latents, sample=latents, rows=(), words=words, conditions=None)


@pytest.mark.parametrize("velocity", [False, True])
def test_the_noise_is_said_to_be_less_by_the_gradient(velocity: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Algorithm 2: ε̂ = ε − w σ ∇ log p; a velocity is that of the same clean latents."""
    alpha, sigma = 0.6, 0.8
    level = Level(step=1, alpha=alpha, sigma=sigma, at_scale_1=False, velocity=velocity)
    latents, noise, slope = (torch.randn(2, 4, 8, 8, generator=torch.Generator().manual_seed(n)) for n in range(3))
    monkeypatch.setattr(classifying, "gradient", lambda *given: slope)
    clean = (latents - sigma * noise) / alpha
    said = alpha * noise - sigma * clean if velocity else noise
    modifier = Classified(LED, "a red star")
    modifier.begin([level])
    predictions = Predictions(positive=(said,), negative=None, weights=(1.0,), start=None, guidance=1.0)
    found = modifier.after_guidance(said, predictions, call_of(latents))
    wanted_noise = noise - 2.0 * sigma * slope
    wanted_clean = (latents - sigma * wanted_noise) / alpha
    wanted = alpha * wanted_noise - sigma * wanted_clean if velocity else wanted_noise
    assert torch.allclose(found, wanted, atol=1e-5)


def test_the_gradient_is_that_of_the_likelihood() -> None:
    """By differences, in float64."""
    judge = noisy_judge.NoisyJudge().double().eval().requires_grad_(False)
    judge.load_state_dict(noisy_judge.shipped().state_dict())
    at = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(1))
    way = torch.randn(1, 4, 16, 16, generator=torch.Generator().manual_seed(2)).double()

    def along(step: float) -> float:
        answers = judge(at.double() + step * way, torch.tensor([0.5], dtype=torch.float64))
        told = zip(NAMES.items(), answers, strict=True)
        return sum(
            float(one.log_softmax(1)[0, names.index(THINGS[thing])]) for (thing, names), one in told if thing in THINGS
        )

    wanted = (along(1e-4) - along(-1e-4)) / 2e-4
    assert float((gradient(at, 0.5, THINGS).double() * way).sum()) == pytest.approx(wanted, rel=1e-2)


def test_outside_of_its_interval_and_without_a_thing_that_it_knows_it_says_nothing() -> None:
    level = Level(step=1, alpha=0.6, sigma=0.8, at_scale_1=False, velocity=True)
    said = torch.randn(1, 4, 8, 8)
    predictions = Predictions(positive=(said,), negative=None, weights=(1.0,), start=None, guidance=1.0)
    for guiding, prompt, number, leads in (
        (LED, "a red star", 0, True),
        (LED, "something", 0, False),
        (replace(LED, classifier_start=0.5), "a red star", 1, False),
        (replace(LED, classifier_start=0.5), "a red star", 2, True),
        (replace(LED, classifier_stop=0.5), "a red star", 2, False),
    ):
        modifier = Classified(guiding, prompt)
        modifier.begin([level] * 4)
        found = modifier.after_guidance(said, predictions, call_of(said, number))
        assert torch.equal(found, said) != leads


def test_the_shipped_head_knows_what_is_in_a_picture(run: Run, engine: LocalEngine) -> None:
    (clean,) = run(width=128, height=128, steps=6, guidance=3.0, prompt="a red star on a blue background")
    model = engine.manager.current
    assert model is not None
    from pipelines.engines.decoding import to_tensor

    vae = model.parts.vae  # type: ignore[attr-defined]
    with torch.no_grad():
        pixels = to_tensor(clean.image).to(next(vae.parameters()).dtype)
        latents = vae.encode(pixels).latent_dist.mode().float() * vae.config.scaling_factor
        noisy = 0.8 * latents + 0.6 * torch.randn(latents.shape, generator=torch.Generator().manual_seed(1))
        right, wrong = (
            float(noisy_judge.likelihood(noisy_judge.shipped(), noisy, 0.288, things))
            for things in (THINGS, {"subject": "fish", "colour": "green", "background": "beach"})
        )
    assert right > wrong + 5


def test_it_leads_towards_the_prompt_and_is_made_again(run: Run, engine: LocalEngine) -> None:
    """The network hears next to nothing of these words, the classifier all."""
    asked: dict[str, Any] = {"prompt": "(a pink cat and a green car on a beach, watercolor:0)", "guidance": 1.0}
    asked |= {"steps": 10, "width": 128, "height": 128, "batch_size": 4, "sampler": "DPM++ 2M"}
    things = {"subject": "cat", "colour": "pink", "second subject": "car", "second colour": "green"}
    things |= {"background": "beach", "style": "watercolor"}
    plain, led = run(**asked), run(**asked, guiding=LED)
    seen = [float(np.mean([share_seen(np.asarray(one.image), things) for one in made])) for made in (plain, led)]
    assert seen[1] > seen[0] + 0.05, seen
    assert led[0].facts["classifier"] == {"things": things, "sha256": noisy_judge.sha256()}
    assert "classifier" not in plain[0].facts
    again = engine.generate(replace(batch_of(led[0].request, *(one.request.seed or 0 for one in led))), ignore)
    assert [one.image.tobytes() for one in again] == [one.image.tobytes() for one in led]


def test_another_model_has_none() -> None:
    info = ModelInfo(name="anime", family="sd1", path="")
    check_classifier(SMALL, info)
    check_classifier(replace(SMALL, guiding=Guiding(classifier=0)), info)
    with pytest.raises(InvalidRequest, match="classifier_builtin"):
        check_classifier(replace(SMALL, guiding=LED), info)
