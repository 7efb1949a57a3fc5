"""Every kind of model file -> the same parts, or one sentence. The files are made here, with random weights."""

from __future__ import annotations

import json
import re
import struct
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import InvalidRequest, ModelError, Note
from pipelines.families import builtin
from pipelines.models.checkpoints import identify
from pipelines.models.listing import Listing, why_not
from tests.engines.conftest import SMALL, batch_of, ignore
from webui.words import line

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")
loading = pytest.importorskip("pipelines.models.weights.loading")
singlefile = pytest.importorskip("pipelines.models.weights.singlefile")

# of a text encoder's configuration: read by nobody, or (the last) ours on purpose
UNUSED = {"architectures", "_class_name", "projection_dim", "bos_token_id", "pad_token_id", "eos_token_id"}
NAMES = ("sd15", "sd15-inpaint", "sd21", "sdxl")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny model of every kind, each as one file and as a diffusers folder with the same weights."""
    from tools.make_random_checkpoint import RandomModel

    folder = tmp_path_factory.mktemp("models")
    for name in NAMES:
        model = RandomModel(name, tiny=True)
        model.write_single(folder / f"{name}.safetensors")
        model.write_folder(folder / f"{name}-folder")
    return folder


@pytest.fixture(scope="module")
def engine_of(folder: Path) -> Iterator[Any]:
    from pipelines.engines.local import LocalEngine

    engine = LocalEngine([folder], device="cpu")
    yield engine
    engine.close()


def placement() -> Any:
    from pipelines.models.device import choose

    return replace(choose("cpu"), dtype=torch.float32, channels_last=False)


def test_the_list_has_them_all_and_the_builtin_last(folder: Path, tmp_path: Path) -> None:
    names = [info.name for info in Listing([folder]).usable()]
    assert names[-2:] == ["builtin", "builtin-tokens"]
    assert len(names) == 2 * len(NAMES) + 2
    assert [info.name for info in Listing([tmp_path, tmp_path / "none"]).usable()] == ["builtin", "builtin-tokens"]


@pytest.mark.parametrize("name", NAMES)
def test_a_single_file_holds_what_the_folder_holds(folder: Path, name: str) -> None:
    single = loading.load(identify(folder / f"{name}.safetensors"), placement())
    whole = loading.load(identify(folder / f"{name}-folder"), placement())
    for part in ("unet", "vae"):
        compare(getattr(single, part), getattr(whole, part))
    assert len(single.text_encoders) == len(whole.text_encoders) == (2 if name == "sdxl" else 1)
    for one, other in zip(single.text_encoders, whole.text_encoders, strict=True):
        compare(one, other)
    for one, other in zip(single.tokenizers, whole.tokenizers, strict=True):
        assert (len(one), one.pad_token) == (49_408, other.pad_token)
    assert single.vae_factor == 8
    assert single.inpainting == (name == "sd15-inpaint")
    assert single.is_sdxl == (name == "sdxl")


def compare(one: Any, other: Any) -> None:
    first, second = one.state_dict(), other.state_dict()
    assert first.keys() == second.keys()
    assert all(torch.equal(first[key], second[key]) for key in first)


@pytest.mark.parametrize("name", ["sd15", "sd15-inpaint", "sd21", "sd21-base", "sd21-inpaint", "sdxl", "sdxl-inpaint"])
def test_configs_read_from_shapes_are_the_published_ones(tmp_path: Path, name: str) -> None:
    """At full size, from the header alone; `tools.random_specs` holds the published values."""
    from pipelines.models.files.headers import read_header
    from tools.make_random_checkpoint import RandomModel
    from tools.random_specs import parts_of

    path = tmp_path / f"{name}.safetensors"
    RandomModel(name, tiny=False).write_single(path, header_only=True)
    info = replace(identify(path), native_size=parts_of(name, tiny=False)["unet"]["sample_size"] * 8)
    shapes = {key: torch.empty(shape, device="meta") for key, shape in read_header(path).shapes.items()}
    ours = {"unet": singlefile._unet(info, shapes), "vae": singlefile.vae_config(info, shapes)}
    ours |= singlefile._text_encoders(info, shapes)
    for part, published in parts_of(name, tiny=False).items():
        for key in published.keys() & ours[part].keys() - UNUSED:
            if not (key == "sample_size" and part == "vae"):  # of no consequence but for tiles
                assert spread(ours[part][key]) == spread(published[key]), (part, key)


def spread(value: Any) -> Any:
    """[1, 1, 1, 1] says the same as 1, and None as False."""
    return (
        value[0] if isinstance(value, list) and len(set(value)) == 1 and isinstance(value[0], int) else value or False
    )


def test_the_tokenizer_is_clips() -> None:
    from pipelines.models.weights.tokenizer import clip_tokenizer

    tokenizer = clip_tokenizer()
    assert (len(tokenizer), tokenizer.bos_token_id, tokenizer.eos_token_id) == (49_408, 49_406, 49_407)
    ids = tokenizer("a photo of an astronaut riding a horse on mars").input_ids
    # as published with CLIP
    assert ids == [49406, 320, 1125, 539, 550, 18376, 6765, 320, 4558, 525, 7496, 49407]
    assert clip_tokenizer("!").pad_token_id == 0


@pytest.mark.parametrize("name", [*NAMES, *(f"{name}-folder" for name in NAMES)])
def test_each_generates(engine_of: Any, name: str) -> None:
    request = replace(SMALL, model=name, steps=2, prompt="a (cat:1.2) AND a dog")
    result = engine_of.generate(batch_of(request, 7), ignore)[0]
    assert result.image.size == (64, 64)
    assert result.facts["model"]["name"] == name
    assert len(result.facts["model"]["sha256"]) == 64


def test_sd2_without_a_word_on_its_prediction_is_told_by_one_bias() -> None:
    name = "model.diffusion_model.output_blocks.11.1.transformer_blocks.0.norm1.bias"
    info = replace(builtin.info(), family="sd2", prediction_type=None)
    wide, narrow = torch.linspace(-1, 1, 320), torch.linspace(-0.05, 0.05, 320)
    assert singlefile._scheduler(info, {name: wide})["prediction_type"] == "v_prediction"
    assert singlefile._scheduler(info, {name: narrow})["prediction_type"] == "epsilon"
    assert singlefile._scheduler(replace(info, family="sd1"), {name: wide})["prediction_type"] == "epsilon"
    with pytest.raises(ModelError) as caught:
        singlefile._scheduler(replace(info, prediction_type="edm"), {})
    assert caught.value.note == Note("prediction_unsupported", prediction="edm")


def test_the_oldest_names_of_the_text_encoder_are_understood(folder: Path, tmp_path: Path) -> None:
    from safetensors.torch import load_file, save_file

    tensors = load_file(folder / "sd15.safetensors")
    renamed = {key.replace("transformer.text_model.", "transformer."): value for key, value in tensors.items()}
    assert renamed.keys() != tensors.keys()
    save_file(renamed, tmp_path / "old.safetensors")
    old = loading.load(
        replace(identify(folder / "sd15.safetensors"), path=str(tmp_path / "old.safetensors")), placement()
    )
    new = loading.load(identify(folder / "sd15.safetensors"), placement())
    compare(old.text_encoders[0], new.text_encoders[0])


@pytest.mark.fault(11)
def test_bad_files_are_one_sentence_and_the_model_before_stays(engine_of: Any, folder: Path) -> None:
    engine_of.generate(batch_of(replace(SMALL, steps=1), 7), ignore)
    loaded = engine_of.manager.current
    whole = (folder / "sd15.safetensors").read_bytes()
    bad = {
        "truncated": whole[: len(whole) // 2],
        "empty": b"",
        "page": b"<!DOCTYPE html><html>not found</html>",
        "missing": without(whole, "model.diffusion_model.out.2.weight"),
        "no-encoder": without(whole, "cond_stage_model.transformer.text_model.encoder.layers.1.mlp.fc1.weight"),
        "no-widths": without(whole, "first_stage_model.decoder.up.2.block.0.conv2.weight"),
    }
    try:
        for name, data in bad.items():
            (folder / f"{name}.safetensors").write_bytes(data)
        for name in bad:
            with pytest.raises(ModelError) as caught:
                engine_of.generate(batch_of(replace(SMALL, model=name), 7), ignore)
            assert "\n" not in str(caught.value)
            assert name in str(caught.value)
            assert engine_of.manager.current is loaded
    finally:
        for name in bad:
            (folder / f"{name}.safetensors").unlink()
    assert engine_of.generate(batch_of(replace(SMALL, steps=1), 7), ignore)


def without(data: bytes, name: str) -> bytes:
    """The file without one tensor: cut out of header and data, the rest moved up."""
    length = struct.unpack("<Q", data[:8])[0]
    header, body = json.loads(data[8 : 8 + length]), data[8 + length :]
    start, end = header.pop(name)["data_offsets"]
    for key, entry in header.items():
        if key != "__metadata__" and entry["data_offsets"][0] >= end:
            entry["data_offsets"] = [offset - (end - start) for offset in entry["data_offsets"]]
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body[:start] + body[end:]


def test_one_model_in_every_layout_makes_the_same_picture(tmp_path: Path) -> None:
    """Folder, safetensors, pickle, a folder whose weights are all called fp16, and one of pickles: bit for bit."""
    import hashlib
    import shutil

    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    model = RandomModel("sd15", tiny=True)
    model.write_single(tmp_path / "single.safetensors")
    model.write_pickle(tmp_path / "old.ckpt")
    model.write_folder(tmp_path / "folder")
    shutil.copytree(tmp_path / "folder", tmp_path / "half")
    for file in list((tmp_path / "half").glob("*/*.safetensors")):
        file.rename(file.with_suffix(".fp16.safetensors"))
    as_pickles(tmp_path / "folder", tmp_path / "bins")
    engine = LocalEngine([tmp_path], device="cpu")
    try:
        before = {info.name: info for info in engine.models()}
        assert before.keys() == {"single", "old", "folder", "half", "bins", "builtin", "builtin-tokens"}
        assert (before["old"].layout, before["old"].kind, before["old"].problem) == ("pickle", "unknown", None)
        results = {
            name: engine.generate(batch_of(replace(SMALL, model=name, prompt="a (cat:1.2)"), 7), ignore)[0]
            for name in ("single", "old", "folder", "half", "bins")
        }
        assert len({result.image.tobytes() for result in results.values()}) == 1
        after = {info.name: info for info in engine.models()}
        assert (after["old"].family, after["old"].kind) == ("sd1", "checkpoint")
        file_hash = hashlib.sha256((tmp_path / "old.ckpt").read_bytes()).hexdigest()  # of what people have, no copy
        assert results["old"].facts["model"] == {"name": "old", "sha256": file_hash, "family": "sd1"}
    finally:
        engine.close()


def as_pickles(folder: Path, target: Path) -> None:
    """A copy of a diffusers folder with .bin weights, as the earliest were published."""
    import shutil

    from safetensors.torch import load_file

    shutil.copytree(folder, target, ignore=shutil.ignore_patterns(".converted"))
    for file in list(target.glob("*/*.safetensors")):
        name = "pytorch_model.bin" if file.parent.name.startswith("text") else "diffusion_pytorch_model.bin"
        torch.save(load_file(file), file.with_name(name))
        file.unlink()


@pytest.mark.fault(13)
def test_a_folder_of_pickles_is_converted_part_by_part_and_a_hostile_one_leaves_no_mark(tmp_path: Path) -> None:
    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "opened",))

    RandomModel("sd15", tiny=True).write_folder(tmp_path / "made" / "good")
    models = tmp_path / "models"
    as_pickles(tmp_path / "made" / "good", models / "good")
    as_pickles(tmp_path / "made" / "good", models / "hostile")
    pickle = models / "hostile" / "vae" / "diffusion_pytorch_model.bin"
    torch.save({"weights": Hostile()}, pickle)
    engine = LocalEngine([models], device="cpu")
    try:
        infos = {info.name: info for info in engine.models()}
        assert (infos["good"].family, infos["good"].layout, infos["good"].problem) == ("sd1", "folder", None)
        assert infos["good"].bytes == sum(file.stat().st_size for file in models.glob("good/*/*.bin"))
        picture = engine.generate(batch_of(replace(SMALL, model="good"), 7), ignore)[0]
        assert len(picture.facts["model"]["sha256"]) == 64
        assert len(list(models.glob("good/*/.converted/*.safetensors"))) == 3
        for _ in range(2):
            with pytest.raises(ModelError) as caught:
                engine.generate(batch_of(replace(SMALL, model="hostile"), 7), ignore)
            assert "diffusion_pytorch_model.bin: It was refused" in line(caught.value)
            assert "\n" not in line(caught.value)
        assert "hostile" not in [info.name for info in engine.models()]
        again = engine.generate(batch_of(replace(SMALL, model="good"), 7), ignore)[0]
        assert again.image.tobytes() == picture.image.tobytes()
    finally:
        engine.close()
    assert not (tmp_path / "opened").exists()


def test_a_picture_too_small_for_the_models_groups_is_one_sentence(engine_of: Any) -> None:
    """The tiny models have as many groups as channels, and 64 pixels are a single number there."""
    wish = replace(SMALL, model="sd15", guidance=1.0, steps=1)
    with pytest.raises(InvalidRequest) as caught:
        engine_of.generate(batch_of(wish, 7), ignore)
    assert (caught.value.field, caught.value.note) == ("width", Note("too_small_alone", value=64))
    assert engine_of.generate(batch_of(wish, 7, 8), ignore)
    assert engine_of.generate(batch_of(replace(wish, width=72), 7), ignore)
    assert engine_of.generate(batch_of(replace(wish, guidance=2.0), 7), ignore)


def test_a_pickle_that_is_no_checkpoint_is_one_sentence_and_the_model_before_stays(tmp_path: Path) -> None:
    from pipelines.engines.local import LocalEngine

    class Hostile:
        def __reduce__(self) -> Any:
            return (Path.touch, (tmp_path / "opened",))

    torch.save({"emb_params": torch.zeros(2, 768)}, tmp_path / "words.pt")
    torch.save({"state_dict": Hostile()}, tmp_path / "hostile.ckpt")
    engine = LocalEngine([tmp_path], device="cpu")
    try:
        picture = engine.generate(batch_of(SMALL, 7), ignore)[0].image
        loaded = engine.manager.current
        names = [info.name for info in engine.models()]
        assert names == ["builtin", "builtin-tokens", "hostile", "words"]  # a guess is no default
        for name, reason in (("words", "It is a textual inversion"), ("hostile", "It was refused")):
            for _ in range(2):
                with pytest.raises(ModelError) as caught:
                    engine.generate(batch_of(replace(SMALL, model=name), 7), ignore)
                assert re.match(f"{name}.*: {reason}", line(caught.value))
                assert "\n" not in line(caught.value)
            assert engine.manager.current is loaded
        assert [info.name for info in engine.models()] == ["builtin", "builtin-tokens"]
        assert engine.generate(batch_of(SMALL, 7), ignore)[0].image.tobytes() == picture.tobytes()
    finally:
        engine.close()
    assert not (tmp_path / "opened").exists()


def test_a_folder_without_its_vocabulary_is_refused(folder: Path, tmp_path: Path) -> None:
    """It would load without an error, and read every word as the same one."""
    import shutil

    copy = tmp_path / "dumb"
    shutil.copytree(folder / "sd15-folder", copy)
    shutil.rmtree(copy / "tokenizer")
    with pytest.raises(ModelError) as caught:
        loading.load(identify(copy), placement())
    assert (caught.value.note.code, caught.value.note.values["name"]) == ("of_model", "dumb")


def test_what_cannot_run_is_said_before_it_is_tried() -> None:
    good = builtin.info()
    assert why_not(good) is None or good.family == "builtin"
    assert why_not(replace(good, family="pony")) == Note("not_run_yet", what=Note("noun_checkpoint"), family="pony")
    assert why_not(replace(good, family="flux", variant="dev", layout="folder")) is None
    one_file = why_not(replace(good, family="flux", variant="dev", layout="single"))
    assert one_file is not None
    assert one_file.code == "folder_only"
    unknown = replace(good, family="unknown", kind="unknown")
    assert why_not(replace(unknown, layout="pickle")) is None  # it is converted when it is first used
    assert why_not(unknown) == Note("no_checkpoint", what=Note("noun_unknown"))
    lora = Note("no_checkpoint", what=Note("noun_lora"))
    assert why_not(replace(good, family="sd1", layout="pickle", kind="lora")) == lora
    assert "depth" in str(why_not(replace(good, family="sd1", variant="depth")))
    for family, variant in (("sd1", "pix2pix"), ("sdxl-refiner", ""), ("sdxl", "inpaint")):
        assert why_not(replace(good, family=family, variant=variant)) is None
    assert why_not(replace(good, family="sd1", kind="lora")) == lora


def test_the_builtin_model_is_described_by_its_own_configs() -> None:
    unet = json.loads((builtin.FOLDER / "unet" / "config.json").read_text())
    vae = json.loads((builtin.FOLDER / "vae" / "config.json").read_text())
    info = builtin.info()
    parts = loading.load(info, placement())
    assert parts.vae_factor == 2 ** (len(vae["block_out_channels"]) - 1)
    assert info.native_size == unet["sample_size"] * parts.vae_factor
    with torch.no_grad():
        latents = parts.vae.encode(torch.zeros(1, 3, 64, 64)).latent_dist.mean
    assert latents.shape == (1, parts.latent_channels, 64 // parts.vae_factor, 64 // parts.vae_factor)


@pytest.mark.parametrize("levels", [3, 4])
def test_the_vae_says_how_large_a_latent_is(tmp_path: Path, levels: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Three levels make a latent of 4 × 4 pixels, four of 8 × 8: nothing but the VAE's own config knows."""
    import shutil

    from diffusers import AutoencoderKL
    from PIL import Image

    from pipelines.engines.local import LocalEngine
    from pipelines.groups import InitImage, Inpaint

    copy = tmp_path / "other"
    shutil.copytree(builtin.FOLDER, copy)
    shutil.rmtree(copy / "vae")
    torch.manual_seed(0)
    AutoencoderKL(
        block_out_channels=[8] * levels,
        down_block_types=["DownEncoderBlock2D"] * levels,
        up_block_types=["UpDecoderBlock2D"] * levels,
        norm_num_groups=2,
        latent_channels=4,
        layers_per_block=1,
        mid_block_add_attention=False,
    ).save_pretrained(copy / "vae")
    monkeypatch.setattr(builtin, "FOLDER", copy)
    engine = LocalEngine(device="cpu")
    try:
        factor = 2 ** (levels - 1)
        config = json.loads((copy / "unet" / "config.json").read_text())
        assert engine.models()[0].native_size == config["sample_size"] * factor
        seen: list[tuple[int, ...]] = []
        engine.warm_up()
        unet = engine.manager.current.parts.unet
        unet.register_forward_hook(lambda unet, inputs, output: seen.append(inputs[0].shape))
        picture, mask = Image.new("RGB", (72, 64), "red"), Image.new("L", (72, 64), 0)
        mask.paste(255, (20, 20, 40, 40))
        init = InitImage(image=picture, strength=1.0)
        request = replace(SMALL, width=72, init=init, inpaint=Inpaint(mask=mask))
        for wish in (replace(SMALL, width=72), request):
            assert engine.generate(batch_of(wish, 7), ignore)[0].image.size == (72, 64)
        assert {tuple(shape) for shape in seen} == {(2, 4, 64 // factor, 72 // factor)}
    finally:
        engine.close()
