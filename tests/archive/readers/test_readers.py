"""What we write, read by three readers that are not ours: test dependencies, never imported by the program."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import piexif
import piexif.helper
import pytest
import sd_parsers
from PIL import Image
from PIL.PngImagePlugin import PngInfo
from sd_prompt_reader.image_data_reader import ImageDataReader

from pipelines.types import GenerationRequest
from tests.archive.helpers import NOON, encoded, results
from tests.archive.readers import test_foreign as made
from webui.archive import metadata
from webui.archive.store import ImageStore, Saving

REQUEST = GenerationRequest(
    prompt="a 猫, (red:1.2)\nsecond line 🙂", negative_prompt="blurry 丑", model="v1-5 pruned", seed=450910884,
    sampler="DPM++ 2M SDE", schedule="karras", steps=21, guidance=6.5, width=64, height=72, clip_skip=2,
)  # fmt: skip


@pytest.fixture(params=["png", "jpeg", "webp"])
def file(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    result = replace(results(REQUEST)[0], facts={"model": {"sha256": "6ce0161689" + "0" * 54}})
    return ImageStore(tmp_path, clock=lambda: NOON, saving=Saving(format=request.param)).save(result).path


def test_sd_parsers_reads_our_files(file: Path) -> None:
    found = sd_parsers.ParserManager().parse(file)
    assert found is not None
    assert [prompt.value for prompt in found.prompts] == [REQUEST.prompt]
    assert [prompt.value for prompt in found.negative_prompts] == ["blurry 丑"]
    (sampler,) = found.samplers
    assert (sampler.name, sampler.model and (sampler.model.name, sampler.model.hash)) == (
        "DPM++ 2M SDE",
        ("v1-5 pruned", "6ce0161689"),
    )
    parameters = sampler.parameters
    assert (parameters["seed"], parameters["steps"], parameters["cfg_scale"]) == ("450910884", "21", "6.5")
    assert parameters["scheduler"] == "Karras"


def test_sd_prompt_reader_reads_our_files(file: Path) -> None:
    found = ImageDataReader(str(file))
    assert found.status.name == "READ_SUCCESS"
    assert found.tool == "A1111 webUI"
    assert (found.positive, found.negative) == (REQUEST.prompt, "blurry 丑")
    assert found.parameter == {
        "model": "v1-5 pruned", "sampler": "DPM++ 2M SDE", "seed": "450910884", "cfg": "6.5", "steps": "21",
        "size": "64x72",
    }  # fmt: skip


def test_piexif_reads_our_comment_as_the_reference_program_does(file: Path) -> None:
    if file.suffix == ".png":
        with Image.open(file) as image:
            text = image.text["parameters"]
    else:
        comment = piexif.load(str(file))["Exif"][piexif.ExifIFD.UserComment]
        text = piexif.helper.UserComment.load(comment)
    assert text == metadata.read(file).text


# -- the other way: files that our tests make in other programs' layouts are taken for theirs by these readers too


def write(folder: Path, data: bytes) -> Path:
    path = folder / "made.png"
    path.write_bytes(data)
    return path


def draw_things_file() -> bytes:
    info = PngInfo()
    info.add_itxt("XML:com.adobe.xmp", made.draw_things_packet(made.DRAW_THINGS))
    return encoded(made.PICTURE, "PNG", pnginfo=info)


COMFY = {"prompt": json.dumps(made.graph()), "workflow": json.dumps(made.workflow())}
INVOKE = {"invokeai_metadata": json.dumps(made.INVOKE)}
DREAM = {"Dream": '"a cat [dog]" -s 30 -S 17 -W 512 -H 640 -C 7.5 -A k_lms'}
FOOOCUS = {"parameters": json.dumps(made.FOOOCUS), "fooocus_scheme": "fooocus"}


@pytest.mark.parametrize(
    ("texts", "generator", "prompt", "negative"),
    [
        (COMFY, "ComfyUI", "a 星 bottle, (glass:1.2)", "text, watermark"),
        (INVOKE, "InvokeAI", "a cat", "dog"),
        (DREAM, "InvokeAI", "a cat", "dog"),
        (made.NOVELAI_TEXTS, "NovelAI", "a cat", "dog"),
        (FOOOCUS, "Fooocus", "a cat", "dog"),
    ],
)
def test_sd_parsers_takes_our_test_files_for_theirs(
    tmp_path: Path, texts: dict[str, str], generator: str, prompt: str, negative: str
) -> None:
    path = write(tmp_path, made.png(texts))
    found, ours = sd_parsers.ParserManager().parse(path), metadata.read(path)
    assert found is not None
    assert (found.generator.value, ours.program) == (generator, generator)
    assert [item.value for item in found.prompts] == [ours.fields["prompt"]] == [prompt]
    assert [item.value for item in found.negative_prompts] == [ours.fields["negative_prompt"]] == [negative]
    (sampler,) = found.samplers
    seed, guidance = sampler.parameters["seed"], sampler.parameters.get("cfg_scale", sampler.parameters.get("cfg"))
    assert int(seed) == ours.fields["seed"]
    assert float(guidance) == ours.fields["guidance"]


@pytest.mark.parametrize(
    ("data", "tool"),
    [
        (made.png(COMFY), "ComfyUI"),
        (made.png(INVOKE), "InvokeAI"),
        (made.png(DREAM), "InvokeAI"),
        (made.png(made.NOVELAI_TEXTS), "NovelAI"),
        (made.png({name: str(value) for name, value in made.EASY.items()}), "Easy Diffusion"),
        (draw_things_file(), "Draw Things"),
        (made.png({"parameters": json.dumps({"sui_image_params": made.SWARM})}), "SwarmUI"),
    ],
    ids=["comfy", "invoke", "dream", "novelai", "easy", "draw things", "swarm"],
)
def test_sd_prompt_reader_takes_our_test_files_for_theirs(tmp_path: Path, data: bytes, tool: str) -> None:
    path = write(tmp_path, data)
    found, ours = ImageDataReader(str(path)), metadata.read(path)
    assert (found.status.name, ours.program) == ("READ_SUCCESS", tool)
    assert found.tool == tool.replace("SwarmUI", "StableSwarmUI")
    assert (found.positive, found.negative) == (ours.fields["prompt"], ours.fields["negative_prompt"])
    assert int(found.parameter["seed"]) == ours.fields["seed"]
    assert int(found.parameter["steps"]) == ours.fields["steps"]
    assert float(found.parameter["cfg"]) == ours.fields["guidance"]
