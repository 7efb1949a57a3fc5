"""The parts of a model, counted from its header: the numbers are those published with the models."""

from __future__ import annotations

from pathlib import Path

import pytest

from pipelines.errors import ModelError
from pipelines.families import builtin
from pipelines.models.checkpoints import identify
from pipelines.models.files.anatomy import parts_of

from .files import checkpoint, header_of, write_folder, write_header, write_model


def counted(path: Path) -> dict[str, int]:
    return {part.name: part.parameters for part in parts_of(identify(path))}


@pytest.mark.torch
@pytest.mark.parametrize("layout", ["single", "folder"])
def test_the_published_counts_of_sd15(layout: str, tmp_path: Path) -> None:
    """CompVis' own program says "DiffusionWrapper has 859.52 M params" and "AutoencoderKL 83.65 M"; OpenAI's text
    encoder of CLIP ViT-L/14 has 123.06 M."""
    from tools.make_random_checkpoint import RandomModel, write_configs, write_safetensors

    made, path = RandomModel("sd15", tiny=False), tmp_path / "sd15.safetensors"
    if layout == "single":
        made.write_single(path, header_only=True)
    else:
        path = tmp_path / "sd15"
        for part, shapes in made.shapes.items():
            (path / part).mkdir(parents=True)
            write_safetensors(path / part / "weights.safetensors", shapes, "F16", None)
        write_configs(made, path)
    assert counted(path) == {"text_encoder": 123_060_480, "unet": 859_520_964, "vae": 83_653_863}
    assert all(part.dtype == "float16" and part.bytes == 2 * part.parameters for part in parts_of(identify(path)))


@pytest.mark.torch
def test_the_published_counts_of_sdxl(tmp_path: Path) -> None:
    """Podell et al. (arXiv:2307.01952), table 1: UNet 2.6 B, text encoders 817 M."""
    from tools.make_random_checkpoint import RandomModel

    path = tmp_path / "sdxl.safetensors"
    RandomModel("sdxl", tiny=False).write_single(path, header_only=True)
    found = counted(path)
    assert list(found) == ["text_encoder", "text_encoder_2", "unet", "vae"]
    assert found["unet"] == 2_567_463_684
    assert found["text_encoder"] == 123_060_480
    assert round((found["text_encoder"] + found["text_encoder_2"]) / 1e6) == 818
    assert found["vae"] == 83_653_863


def test_positions_and_marks_are_no_parameters(tmp_path: Path) -> None:
    header = header_of(checkpoint())
    place = max(entry["data_offsets"][1] for entry in header.values())
    header["cond_stage_model.transformer.text_model.embeddings.position_ids"] = {
        "dtype": "I64",
        "shape": [1, 77],
        "data_offsets": [place, place + 77 * 8],
    }
    path = write_header(tmp_path / "a.safetensors", header)
    assert counted(path)["text_encoder"] == 8 * 768


def test_what_belongs_to_no_part_is_counted_apart(tmp_path: Path) -> None:
    shapes = checkpoint() | {"betas": (1000,), "model_ema.decay": (7,)}
    found = counted(write_model(tmp_path / "a.safetensors", shapes))
    assert found["other"] == 1000
    assert found["ema"] == 7


@pytest.mark.parametrize(
    ("shapes", "expected"),
    [
        ({"decoder.conv_in.weight": (512, 4, 3, 3)}, {"vae": 512 * 4 * 9}),
        (
            {
                "lora_unet_down_blocks_0_attentions_0_transformer_blocks_0_attn2_to_k.lora_down.weight": (4, 768),
                "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight": (768, 4),
            },
            {"text_encoder": 768 * 4, "unet": 4 * 768},
        ),
        ({"emb_params": (3, 768)}, {"embedding": 3 * 768}),
        ({"clip_l": (2, 768), "clip_g": (2, 1280)}, {"text_encoder": 1536, "text_encoder_2": 2560}),
    ],
)
def test_files_beside_a_model(shapes: dict[str, tuple[int, ...]], expected: dict[str, int], tmp_path: Path) -> None:
    assert counted(write_model(tmp_path / "a.safetensors", shapes)) == expected


def test_a_folder_counts_one_variant_of_each_part(tmp_path: Path) -> None:
    folder = write_folder(tmp_path / "model")
    write_model(folder / "unet/diffusion_pytorch_model.fp16.safetensors", {"conv_in.weight": (320, 4, 3, 3)})
    assert counted(folder) == {"text_encoder": 8 * 768, "unet": 320 * 4 * 9, "vae": 512 * 4 * 9}


def test_the_builtin_model_has_its_parts() -> None:
    assert [part.name for part in parts_of(builtin.info())] == ["text_encoder", "unet", "vae"]


def test_an_old_pickle_and_a_broken_file_say_why(tmp_path: Path) -> None:
    pickle = tmp_path / "a.ckpt"
    pickle.write_bytes(b"\x80\x04" + b"0" * 100)
    with pytest.raises(ModelError, match="pickle_unopened"):
        parts_of(identify(pickle))
    broken = tmp_path / "b.safetensors"
    broken.write_bytes(b"")
    with pytest.raises(ModelError, match="file_empty"):
        parts_of(identify(broken))
