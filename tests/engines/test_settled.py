"""What a request says of its model's nature outweighs the model's own files."""

from __future__ import annotations

import pytest

from .conftest import Run

pytest.importorskip("torch")
pytestmark = pytest.mark.torch


def test_prediction_type_and_noise_levels_can_be_said(run: Run) -> None:
    own = run(steps=2)[0]
    (predicts, rescaled) = own.facts["sampler"]["options"]["prediction_type"], own.facts["sampler"]["rescaled_betas"]
    other = "epsilon" if predicts == "v_prediction" else "v_prediction"
    said = run(steps=2, prediction_type=other, zero_terminal_snr=not rescaled)[0]
    assert said.facts["sampler"]["options"]["prediction_type"] == other
    assert said.facts["sampler"]["rescaled_betas"] is not rescaled
    assert said.image.tobytes() != own.image.tobytes()
    assert run(steps=2)[0].image.tobytes() == own.image.tobytes()
    same = run(steps=2, prediction_type=predicts, zero_terminal_snr=rescaled)[0]
    assert same.image.tobytes() == own.image.tobytes()
