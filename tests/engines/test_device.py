"""Which type on which device, and settings that keep the bits."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
device = pytest.importorskip("pipelines.models.device")


def capabilities(monkeypatch: pytest.MonkeyPatch, **true: bool) -> None:
    monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: true)


@pytest.mark.parametrize("name", ["avx512_bf16", "amx_bf16"])
def test_a_cpu_with_bf16_instructions_uses_them(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    capabilities(monkeypatch, **{name: True})
    placement = device.choose("cpu")
    assert (placement.dtype, placement.channels_last) == (torch.bfloat16, True)


def test_a_cpu_without_them_computes_in_fp32(monkeypatch: pytest.MonkeyPatch) -> None:
    capabilities(monkeypatch, avx2=True, avx512_fp16=True, avx512_bf16=False)
    placement = device.choose("cpu")
    assert (placement.dtype, placement.channels_last) == (torch.float32, False)


def test_a_card_is_preferred_and_runs_in_fp16(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "get_device_name", lambda name: "RTX 3070 Ti")
    placement = device.choose()
    assert (placement.device, placement.dtype, placement.channels_last) == ("cuda", torch.float16, True)
    assert placement.facts()["device_name"] == "RTX 3070 Ti"


def test_apples_gpu_comes_second(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: True)
    assert (device.choose().device, device.choose().dtype) == ("mps", torch.float16)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(ValueError, match="device: must be cpu, cuda or mps, got 'abacus'"):
        device.choose("abacus")


def test_settings_that_would_change_bits_between_runs_are_off() -> None:
    device.make_deterministic()
    facts = device.choose("cpu").facts()
    assert facts["tf32"] is False
    assert torch.backends.cudnn.benchmark is False
    assert torch.backends.cuda.cudnn_sdp_enabled() is False
    assert facts["threads"] == torch.get_num_threads()
    assert facts["cpu_capability"] == torch.backends.cpu.get_cpu_capability()


def test_the_quickest_number_of_threads_is_one_or_all(engine: object) -> None:
    from pipelines.engines.unet import quickest_threads

    engine.warm_up()  # type: ignore[attr-defined]
    parts = engine.manager.current.parts  # type: ignore[attr-defined]
    assert quickest_threads(parts, 1) == 1
    try:
        assert quickest_threads(parts, 2) in (1, 2)
    finally:
        torch.set_num_threads(1)


def test_exact_is_float32_on_every_device_and_recorded() -> None:
    exact, usual = device.choose("cpu", exact=True), device.choose("cpu")
    assert (exact.dtype_name, exact.channels_last) == ("float32", False)
    assert (exact.facts()["exact"], exact.facts()["attention"]) == (True, "math")
    assert "exact" not in usual.facts()
