"""Which IP-Adapter and which image encoder a reference picture is looked at with, known before the queue."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pipelines.engines.fake import FakeEngine
from pipelines.errors import InvalidRequest
from pipelines.leading import Reference
from pipelines.types import GenerationRequest, ModelInfo
from tests.models.clip import SHAPES, write_header_only
from tests.models.files import checkpoint, write_model
from tools.random_kinds import KINDS
from webui.words import fault

PICTURE = Image.new("RGB", (8, 8))
WISH = GenerationRequest(prompt="a", model="anime", reference_1=Reference(picture=PICTURE))
WHOLE, PIECES = 16, 32  # what the encoder of `SHAPES` gives


def adapter(kind: str = "", width: int = 768, seen: int = WHOLE, start: str = "") -> dict[str, tuple[int, ...]]:
    layer = {f"{start}ip_adapter.1.to_k_ip.weight": (320, width), f"{start}ip_adapter.1.to_v_ip.weight": (320, width)}
    own: dict[str, tuple[int, ...]] = {
        "": {"proj.weight": (4 * width, seen), "norm.weight": (width,)},
        "plus": {"latents": (1, 16, 64), "proj_in.weight": (64, seen), "norm_out.weight": (width,)},
        "full face": {"proj.0.weight": (seen, seen), "proj.2.weight": (width, seen), "proj.3.weight": (width,)},
        "face ID": {"proj.0.weight": (1024, 512), "proj.2.weight": (4 * width, 1024), "norm.weight": (width,)},
    }[kind]  # type: ignore[assignment]
    return layer | {f"{start}image_proj.{name}": shape for name, shape in own.items()}


@pytest.fixture
def models(tmp_path: Path) -> Path:
    write_model(tmp_path / "anime.safetensors", checkpoint())
    write_model(tmp_path / "grand.safetensors", checkpoint(2048))
    return tmp_path


def asked(models: Path, **reference: Any) -> GenerationRequest:
    """As it is queued."""
    engine = FakeEngine(folders=[models])
    try:
        wish = WISH if "wish" not in reference else reference.pop("wish")
        found = engine.named(replace(wish, reference_1=Reference(picture=PICTURE, **reference)))
        engine.check(found)
        return found
    finally:
        engine.close()


@pytest.mark.parametrize(("kind", "seen"), [("", WHOLE), ("plus", PIECES), ("full face", PIECES)])
@pytest.mark.parametrize(("width", "family"), [(768, "sd1"), (1024, "sd2"), (2048, "sdxl")])
def test_an_adapter_is_known_by_its_tensors(models: Path, kind: str, seen: int, width: int, family: str) -> None:
    write_model(models / "x.safetensors", adapter(kind, width, seen))
    engine = FakeEngine(folders=[models])
    (info,) = engine.references()
    assert (info.kind, info.family, info.variant) == ("ip-adapter", family, kind)
    assert [one.problem for one in engine.shelf() if one.name == "x"] == [None]
    assert "x" not in [one.name for one in engine.models()]
    write_header_only(models / "clip")
    (encoder,) = engine.image_encoders()
    assert set(info.seen) < set(encoder.seen)
    engine.close()


def test_what_is_left_to_the_program_is_named_before_the_queue(models: Path) -> None:
    for name, given in (
        ("a full face", ("full face", 768, PIECES)),
        ("a plus", ("plus", 768, PIECES)),
        ("another encoder's", ("", 768, 999)),
        ("of sdxl", ("", 2048)),
        ("the plain one", ("", 768)),
    ):
        write_model(models / f"{name}.safetensors", adapter(*given))
    write_header_only(models / "clip")
    found = asked(models).reference_1
    assert found is not None
    assert (found.model, found.encoder) == ("the plain one", "clip")
    grand = asked(models, wish=replace(WISH, model="grand")).reference_1
    assert grand is not None
    assert grand.model == "of sdxl"
    assert asked(models, model="a plus", encoder="clip").reference_1 == Reference(
        picture=PICTURE, model="a plus", encoder="clip"
    )


@pytest.mark.parametrize(
    ("files", "reference", "field", "code"),
    [
        ({}, {}, "model", "reference_none"),
        ({"x": ("", 2048)}, {}, "model", "reference_none"),
        ({"x": ("", 2048)}, {"model": "x"}, "model", "file_family"),
        ({"x": ("",)}, {"model": "y"}, "model", "choice"),
        ({"x": ("",)}, {"model": "anime"}, "model", "choice"),
        ({"x": ("face ID",)}, {"model": "x"}, "model", "reference_kind"),
        ({"x": ("", 768, 999)}, {}, "encoder", "encoder_none"),
        ({"x": ("", 768, 999)}, {"encoder": "clip"}, "encoder", "encoder_other"),
        ({"x": ("",)}, {"encoder": "gone"}, "encoder", "choice"),
        ({"x": ("",)}, {"encoder": "broken"}, "encoder", "encoder_broken"),
    ],
)
def test_what_cannot_be_is_one_sentence_at_its_field(
    models: Path, files: dict[str, Any], reference: dict[str, Any], field: str, code: str
) -> None:
    for name, given in files.items():
        write_model(models / f"{name}.safetensors", adapter(*given))
    write_header_only(models / "clip")
    write_header_only(models / "broken", "{")
    with pytest.raises(InvalidRequest) as caught:
        asked(models, **reference)
    assert (caught.value.field, caught.value.note.code) == (f"reference_1_{field}", code)
    for language in ("en", "zh"):
        assert "{" not in fault(caught.value, language)  # type: ignore[arg-type]


def test_of_a_model_that_nobody_has_looked_into_it_must_be_told(models: Path) -> None:
    write_model(models / "x.safetensors", adapter())
    write_header_only(models / "clip")
    (models / "old.ckpt").write_bytes(b"\x80\x02}q\x00.")
    with pytest.raises(InvalidRequest) as caught:
        asked(models, wish=replace(WISH, model="old"))
    assert (caught.value.field, caught.value.note.code) == ("reference_1_model", "reference_which")
    asked(models, wish=replace(WISH, model="old"), model="x")


def test_families_that_diffusers_runs_whole_take_none(models: Path) -> None:
    from pipelines.families import ALL

    info = ModelInfo(name="flux", family="flux", path="", variant="schnell")
    with pytest.raises(InvalidRequest) as caught:
        ALL["flux"].check(info, replace(WISH, sampler="Euler", guidance=1.0))
    assert (caught.value.field, caught.value.note.code) == ("reference_1_model", "not_with")


def test_no_encoder_is_taken_for_one_by_its_config_alone(models: Path) -> None:
    write_model(models / "x.safetensors", adapter())
    write_header_only(models / "clip", shapes={**SHAPES, "visual_projection.weight": (WHOLE + 1, PIECES)})
    with pytest.raises(InvalidRequest, match="encoder_none"):
        asked(models)


@pytest.mark.torch
@pytest.mark.parametrize(
    ("kind", "model", "encoder"),
    [("ip-adapter-plus-sd15", "sd15", "image-encoder-h"), ("ip-adapter-sdxl", "sdxl", "image-encoder-g")],
)
def test_the_published_sizes_fit_together(kind: str, model: str, encoder: str, tmp_path: Path) -> None:
    """Layer by layer in the order of diffusers' own UNet, and every weight that transformers' encoder has."""
    torch = pytest.importorskip("torch")
    from diffusers import UNet2DConditionModel
    from transformers import CLIPVisionConfig, CLIPVisionModelWithProjection

    from pipelines.models.files.vision import published
    from tools.random_specs import parts_of

    config = parts_of(model, tiny=False, vocabulary=49_408)["unet"]
    config = {name: value for name, value in config.items() if not name.startswith("_")}
    known, shapes = published(tmp_path, KINDS[encoder]), KINDS[kind]
    assert known is not None
    projected = KINDS[encoder]["visual_projection.weight"][0]
    with torch.device("meta"):
        unet = UNet2DConditionModel(**config)
        clip = CLIPVisionModelWithProjection(CLIPVisionConfig(**known, projection_dim=projected))
    wanted = [
        (unet.get_submodule(name.removesuffix(".processor")).to_q.out_features, unet.config.cross_attention_dim)
        for name in unet.attn_processors
        if name.endswith("attn2.processor")
    ]
    assert [shapes[f"ip_adapter.{2 * n + 1}.to_k_ip.weight"] for n in range(len(wanted))] == wanted
    assert f"ip_adapter.{2 * len(wanted) + 1}.to_k_ip.weight" not in shapes
    assert {name: tuple(one.shape) for name, one in clip.named_parameters()} == KINDS[encoder]
    for name in (kind, encoder):
        write_model(tmp_path / f"{name}.safetensors", KINDS[name])
    (adapter,), (seeing,) = (getattr(FakeEngine(folders=[tmp_path]), one)() for one in ("references", "image_encoders"))
    assert set(adapter.seen) & set(seeing.seen)
