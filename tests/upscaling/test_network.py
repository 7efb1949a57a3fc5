"""Upscalers of files: spandrel's own answer for the whole picture is the judge of our parts."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from safetensors.torch import save_file  # noqa: E402

from pipelines.engines.local import LocalEngine  # noqa: E402
from pipelines.errors import InvalidRequest, ModelError, NotFinite  # noqa: E402
from pipelines.groups import Upscale  # noqa: E402
from pipelines.models.device import choose  # noqa: E402
from pipelines.models.listing import Listing  # noqa: E402
from pipelines.types import Batch, GenerationRequest, GenerationResult, ModelInfo  # noqa: E402
from pipelines.upscaling.network import Network  # noqa: E402
from pipelines.upscaling.spandrel_import import spandrel  # noqa: E402

SHARED = {"kind": "upscaler", "problem": None}


def picture(width: int, height: int) -> Image.Image:
    small = np.random.default_rng(1).integers(0, 256, (height // 7 + 2, width // 7 + 2, 3), dtype=np.uint8)
    return Image.fromarray(small).resize((width, height), Image.Resampling.BICUBIC)


def network(kind: str) -> torch.nn.Module:
    """Random weights of sizes at which the picture still shows."""
    spandrel()
    from spandrel.architectures import DAT, ESRGAN, SPAN, Compact, SwinIR

    torch.manual_seed(3)
    made: torch.nn.Module = {
        "compact": lambda: Compact.Compact(num_in_ch=3, num_out_ch=3, num_feat=8, num_conv=2, upscale=2),
        "span": lambda: SPAN.SPAN(num_in_ch=3, num_out_ch=3, feature_channels=8, upscale=2),
        "esrgan": lambda: ESRGAN.ESRGAN(in_nc=3, out_nc=3, num_filters=8, num_blocks=1, scale=4),
        "swinir": lambda: SwinIR.SwinIR(
            img_size=16, embed_dim=12, depths=[2], num_heads=[2], window_size=8, upscale=2, upsampler="pixelshuffle"
        ),
        "dat": lambda: DAT.DAT(
            img_size=16, embed_dim=32, split_size=[2, 4], depth=[2], num_heads=[2], expansion_factor=2, upscale=2
        ),
    }[kind]()
    return made


def saved(folder: Path, kind: str, name: str = "up") -> ModelInfo:
    """A file of such a network, as the models folder lists it."""
    path = folder / f"{name}.safetensors"
    save_file({key: value.contiguous().clone() for key, value in network(kind).state_dict().items()}, path)
    return next(info for info in Listing([folder]).everything() if info.name == name)


def whole(info: ModelInfo, image: Image.Image) -> np.ndarray:
    """What spandrel alone gives for all of it at once."""
    model = spandrel().ModelLoader("cpu").load_from_file(info.path)
    given = torch.from_numpy(np.array(image)).permute(2, 0, 1)[None].float() / 255
    with torch.inference_mode():
        return (model(given)[0].permute(1, 2, 0).clamp(0, 1) * 255).round().byte().numpy()


@pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")
@pytest.mark.parametrize("kind", ["compact", "span", "esrgan", "swinir", "dat"])
def test_a_file_is_known_and_gives_what_spandrel_gives(kind: str, tmp_path: Path) -> None:
    info = saved(tmp_path, kind)
    assert {name: getattr(info, name) for name in SHARED} == SHARED
    image, scale = picture(50, 37), 4 if kind == "esrgan" else 2
    made, facts = Network(info, choose("cpu")).enlarged(Upscale(image=image, by=scale), lambda *_: None)
    assert (np.asarray(made) == whole(info, image)).all()
    assert facts["upscaler"]["scale"] == scale
    assert facts["dtype"] == "float32"


def test_parts_are_as_the_whole(tmp_path: Path) -> None:
    """The compact network here sees four pixels around; an eighth of the overlap would be enough for it."""
    info, image, told = saved(tmp_path, "compact"), picture(150, 131), list[tuple[int, int]]()
    upscale = Upscale(image=image, tile=64, overlap=32)
    made, _ = Network(info, choose("cpu")).enlarged(upscale, lambda *done: told.append(done))
    assert np.abs(np.asarray(made).astype(int) - whole(info, image)).max() <= 1
    assert told == [(number, 16) for number in range(1, 17)]
    again, _ = Network(info, choose("cpu")).enlarged(upscale, lambda *_: None)
    assert again.tobytes() == made.tobytes()


def test_as_often_as_it_takes_and_then_lanczos(tmp_path: Path) -> None:
    info, image = saved(tmp_path, "compact"), picture(21, 16)
    made, facts = Network(info, choose("cpu")).enlarged(Upscale(image=image, by=3), lambda *_: None)
    assert made.size == (63, 48)
    assert facts["upscaler"]["passes"] == 2
    once, _ = Network(info, choose("cpu")).enlarged(Upscale(image=image, by=1.5), lambda *_: None)
    twofold = Image.fromarray(whole(info, image))
    assert once.tobytes() == twofold.resize((32, 24), Image.Resampling.LANCZOS).tobytes()


def test_half_precision_that_overflows_is_computed_in_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As on a card; and the next picture is tried in half again, or its bytes would depend on those before it."""
    network, tried = Network(saved(tmp_path, "compact"), choose("cpu")), list[torch.dtype]()
    monkeypatch.setattr(network, "_half", True)
    plain = network._part

    def part(pixels: np.ndarray) -> np.ndarray:
        tried.append(network._model.dtype)
        if tried[-1] == torch.float16:
            raise NotFinite("upscaled_not_finite", name="up")
        return plain(pixels)

    monkeypatch.setattr(network, "_part", part)
    for _ in range(2):
        _, facts = network.enlarged(Upscale(image=picture(20, 20)), lambda *_: None)
        assert facts["dtype"] == "float32"
    assert tried == [torch.float16, torch.float32] * 2


def test_numbers_that_are_no_colours_save_nothing(tmp_path: Path) -> None:
    network = Network(saved(tmp_path, "compact"), choose("cpu"))
    with torch.no_grad():
        next(network._model.model.parameters()).fill_(float("nan"))
    with pytest.raises(NotFinite) as caught:
        network.enlarged(Upscale(image=picture(20, 20)), lambda *_: None)
    assert caught.value.note.code == "upscaled_not_finite"


def test_a_file_of_another_kind_is_one_sentence(tmp_path: Path) -> None:
    save_file({"conv_first.weight": torch.zeros(4, 3, 3, 3)}, tmp_path / "no.safetensors")
    with pytest.raises(ModelError) as caught:
        Network(Listing([tmp_path]).everything()[0], choose("cpu"))
    assert caught.value.note.code == "of_model"


def upscaled(engine: LocalEngine, upscale: Upscale) -> GenerationResult:
    request = GenerationRequest(seed=1, upscale=upscale)
    engine.check(request)
    (result,) = engine.generate(Batch(request=request, seeds=(1,)), lambda _: None)
    return result


@pytest.mark.lengthy
def test_an_old_pickle_in_a_folder_of_upscalers(tmp_path: Path) -> None:
    """It is made safe first, by the child that reads pickles, like any other."""
    (tmp_path / "ESRGAN").mkdir()
    torch.save({"params_ema": network("compact").state_dict()}, tmp_path / "ESRGAN" / "old.pth")
    torch.save(network("compact").state_dict(), tmp_path / "elsewhere.pth")
    image, engine = picture(30, 30), LocalEngine([tmp_path], device="cpu")
    assert [info.name for info in engine.upscalers()] == ["builtin-2x", "old"]
    result = upscaled(engine, Upscale(image=image, upscaler="old"))
    info = saved(tmp_path, "compact", "new")
    assert result.image.tobytes() == whole(info, image).tobytes()
    assert result.facts["upscaler"]["sha256"] is not None
    engine.close()


def test_without_a_network(tmp_path: Path) -> None:
    image, engine = picture(30, 20), LocalEngine([tmp_path], device="cpu")
    for name, filter_ in (("lanczos", Image.Resampling.LANCZOS), ("nearest", Image.Resampling.NEAREST)):
        result = upscaled(engine, Upscale(image=image, upscaler=name, by=2.5))
        assert result.image.tobytes() == image.resize((75, 50), filter_).tobytes()
        assert "device" not in result.facts
    with pytest.raises(InvalidRequest) as caught:
        upscaled(engine, replace(Upscale(image=image), upscaler="4x"))
    assert (caught.value.field, caught.value.note.code) == ("upscaler", "choice")
    engine.close()
