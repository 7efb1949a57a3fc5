"""Folders of SD 3 and Flux: what each is, and the one sentence that names what is missing. Without torch."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

from pipelines.errors import ModelError, Note
from pipelines.models.checkpoints import identify
from pipelines.models.listing import Listing
from tests.models.files import write_json, write_model, write_pipeline_folder
from webui.words import say

# as the published transformers have it in their config.json, and what their cards advise
PUBLISHED: tuple[tuple[dict[str, Any], tuple[str, str, float, int]], ...] = (
    ({"num_layers": 24, "dual_attention_layers": []}, ("sd3", "", 7.0, 28)),
    ({"num_layers": 24, "dual_attention_layers": list(range(13))}, ("sd3.5-medium", "", 4.5, 40)),
    ({"num_layers": 38, "dual_attention_layers": []}, ("sd3.5-large", "", 3.5, 28)),
    ({"flux": True, "guidance_embeds": True}, ("flux", "dev", 3.5, 28)),
    ({"flux": True, "guidance_embeds": False}, ("flux", "schnell", 1.0, 4)),
)


@pytest.mark.parametrize(("config", "expected"), PUBLISHED, ids=[str(one[1][:2]) for one in PUBLISHED])
def test_each_is_known_and_can_be_chosen(tmp_path: Path, config: dict[str, Any], expected: tuple[Any, ...]) -> None:
    info = identify(write_pipeline_folder(tmp_path / "model", **config))
    assert (info.family, info.variant, info.guidance, info.steps) == expected
    assert (info.problem, info.sampler, info.native_size) == (None, "Euler", 1024)
    assert [one.name for one in Listing([tmp_path]).usable()] == ["model", "builtin", "builtin-tokens"]


def test_sd3_may_come_without_its_third_text_encoder(tmp_path: Path) -> None:
    assert identify(write_pipeline_folder(tmp_path / "null", t5=False)).problem is None
    whole = write_pipeline_folder(tmp_path / "absent", t5=False)
    index = {"_class_name": "StableDiffusion3Pipeline"} | {
        part: ["diffusers", part] for part in ("transformer", "vae", "text_encoder", "text_encoder_2")
    }
    write_json(whole / "model_index.json", index)
    assert identify(whole).problem is None


MISSING = (
    ("transformer", "The transformer's weights file is missing."),
    ("vae", "The vae's weights file is missing."),
    ("text_encoder", "The text_encoder's weights file is missing."),
    ("text_encoder_2", "The text_encoder_2's weights file is missing."),
    ("text_encoder_3", "The text_encoder_3's weights file is missing."),
    ("tokenizer", "Its tokenizer/tokenizer.json is missing."),
    ("tokenizer_2", "Its tokenizer_2/tokenizer.json is missing."),
    ("tokenizer_3", "Its tokenizer_3/tokenizer.json is missing."),
    ("scheduler", "Its scheduler/scheduler_config.json is missing."),
)


@pytest.mark.parametrize("flux", [False, True])
@pytest.mark.parametrize(("part", "sentence"), MISSING)
def test_what_is_missing_is_named_when_listed_and_when_chosen(
    tmp_path: Path, part: str, sentence: str, flux: bool
) -> None:
    folder = write_pipeline_folder(tmp_path / "torn", flux=flux)
    if not (folder / part).is_dir():
        return  # Flux has two encoders
    if part == "transformer":  # its configuration may have come before its weights
        (folder / part / "model.safetensors").unlink()
    else:
        shutil.rmtree(folder / part)
    torn, *_, builtin = Listing([tmp_path]).shelf()
    assert (torn.problem and say(torn.problem, "en"), builtin.problem) == (sentence, None)
    with pytest.raises(ModelError) as caught:
        Listing([tmp_path]).find("torn")
    assert caught.value.note == Note("inside", name="torn", reason=torn.problem)


@pytest.mark.parametrize("part", ["transformer", "vae", "text_encoder", "text_encoder_2"])
def test_a_part_without_a_class_is_named(tmp_path: Path, part: str) -> None:
    folder = write_pipeline_folder(tmp_path / "torn")
    parts = {one: ["diffusers", one] for one in ("transformer", "vae", "text_encoder", "text_encoder_2")}
    write_json(folder / "model_index.json", {"_class_name": "StableDiffusion3Pipeline", **parts, part: [None, None]})
    assert identify(folder).problem == Note("part_not_named", part=part)


def test_a_download_that_stopped_between_two_files_is_told(tmp_path: Path) -> None:
    folder = write_pipeline_folder(tmp_path / "half")
    (folder / "transformer/model.safetensors").unlink()
    for number in (1, 3):
        write_model(folder / f"transformer/model-0000{number}-of-00003.safetensors", {f"w{number}": (8, 8)})
    assert identify(folder).problem == Note("part_missing", name="transformer/model-00002-of-00003.safetensors")
    write_model(folder / "transformer/model-00002-of-00003.safetensors", {"w2": (8, 8)})
    assert identify(folder).problem is None


def test_the_same_weights_in_16_bits_beside_them_do_not_count_twice(tmp_path: Path) -> None:
    """Stability's SD 3 folder holds its third text encoder in both, cut into two files each."""
    folder = write_pipeline_folder(tmp_path / "both")
    size = identify(folder).bytes
    for number in (1, 2):
        write_model(folder / f"text_encoder_3/model.fp16-0000{number}-of-00002.safetensors", {f"w{number}": (8, 8)})
    assert identify(folder).bytes == size


def test_a_scheduler_that_draws_noise_or_is_another_is_told(tmp_path: Path) -> None:
    folder = write_pipeline_folder(tmp_path / "model")
    config = folder / "scheduler/scheduler_config.json"
    write_json(config, {"_class_name": "FlowMatchEulerDiscreteScheduler", "stochastic_sampling": True})
    assert identify(folder).problem == Note("scheduler_noisy")
    write_json(config, {"_class_name": "FlowMatchHeunDiscreteScheduler"})
    assert "FlowMatchHeunDiscreteScheduler" in str(identify(folder).problem)


SD3_FILE = {
    "model.diffusion_model.joint_blocks.0.context_block.adaLN_modulation.1.bias": (8,),
    "first_stage_model.decoder.conv_in.weight": (8, 16, 3, 3),
    "text_encoders.clip_l.transformer.text_model.embeddings.token_embedding.weight": (8, 8),
}


def test_sd3_as_one_file_can_be_chosen_where_it_holds_everything(tmp_path: Path) -> None:
    whole = identify(write_model(tmp_path / "whole.safetensors", SD3_FILE))
    assert (whole.family, whole.sampler, whole.steps, whole.guidance, whole.native_size) == (
        "sd3",
        "Euler",
        28,
        7.0,
        1024,
    )
    assert [one.name for one in Listing([tmp_path]).usable()] == ["whole", "builtin", "builtin-tokens"]
    shapes = {name: shape for name, shape in SD3_FILE.items() if not name.startswith("first_stage_model")}
    assert identify(write_model(tmp_path / "torn.safetensors", shapes)).problem == Note(
        "parts_missing", parts=(Note("the_vae"),)
    )


def test_flux_as_one_file_lacks_a_tokenizer(tmp_path: Path) -> None:
    names = ("double_blocks.0.img_attn.norm.key_norm.scale", "first_stage_model.decoder.conv_in.weight")
    shapes: dict[str, tuple[int, ...]] = {f"model.diffusion_model.{names[0]}": (8,), names[1]: (8, 16, 3, 3)}
    shapes["model.diffusion_model.vector_in.in_layer.weight"] = (8, 8)
    shapes["text_encoders.t5xxl.transformer.shared.weight"] = (8, 8)
    write_model(tmp_path / "flux.safetensors", shapes)
    with pytest.raises(ModelError, match=r"'flux', reason=folder_only\(family='Flux'\)"):
        Listing([tmp_path]).find("flux")
