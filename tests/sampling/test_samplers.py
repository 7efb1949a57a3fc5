"""The table of samplers, without torch."""

import pytest

from pipelines.sampling.samplers import DENOISERS, SCHEDULES

NAMES = [
    "DDPM",
    "DDIM",
    "PLMS",
    "LMS",
    "Euler",
    "Euler a",
    "Heun",
    "DPM2",
    "DPM2 a",
    "DPM++ 2M",
    "DPM++ 2M SDE",
    "DPM++ SDE",
    "DPM++ 3M SDE",
    "UniPC",
    "DEIS",
    "LCM",
    "TCD",
]


def test_every_name_is_there_and_the_default_first() -> None:
    assert sorted(DENOISERS) == sorted(NAMES)
    assert next(iter(DENOISERS)) == "DPM++ 2M"


@pytest.mark.parametrize("name", NAMES)
def test_spec_agrees_with_its_key_and_the_known_schedules(name: str) -> None:
    spec = DENOISERS[name]
    assert spec.name == name
    assert spec.schedules[0] == "automatic"
    assert len(set(spec.schedules)) == len(spec.schedules)
    assert set(spec.schedules) <= set(SCHEDULES)
    assert not spec.automatic or spec.automatic in spec.schedules[1:]


def test_the_table_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        DENOISERS["Euler"] = DENOISERS["Heun"]  # type: ignore[index]
