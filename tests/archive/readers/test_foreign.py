"""Pictures of other programs: each layout as that program's own source writes it, made here and read back."""

from __future__ import annotations

import gzip
import io
import json
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from pipelines.errors import Note
from tests.archive.helpers import encoded
from webui.archive import exif, metadata
from webui.archive import readers as foreign
from webui.archive.metadata import ReadBack
from webui.archive.readers import stealth as foreign_stealth
from webui.archive.readers.values import TEXT_LIMIT, load_object

PICTURE = Image.effect_noise((64, 48), 60).convert("RGB")


def png(texts: Mapping[str, str]) -> bytes:
    """As every Python program of this field writes it: tEXt where Latin-1 is enough, else iTXt."""
    info = PngInfo()
    for name, text in texts.items():
        info.add_text(name, text)
    return encoded(PICTURE, "PNG", pnginfo=info)


def back_of(texts: Mapping[str, str]) -> ReadBack:
    back = metadata.read(png(texts))
    assert back.record is None
    assert back.size == PICTURE.size
    return back


# -- ComfyUI


def graph(**changes: Mapping[str, Any]) -> dict[str, Any]:
    """The graph of ComfyUI's default workflow in the form that its server writes into `prompt`."""
    sampler = {"seed": 156680208700286, "steps": 20, "cfg": 8, "sampler_name": "euler", "scheduler": "normal"}
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["5", 0]}
    inputs: dict[str, dict[str, Any]] = {
        "3 KSampler": {**sampler, "seed": 4711, "denoise": 1, **links},
        "4 CheckpointLoaderSimple": {"ckpt_name": "sd15\\v1-5-pruned.safetensors"},
        "5 EmptyLatentImage": {"width": 512, "height": 768, "batch_size": 1},
        "6 CLIPTextEncode": {"text": "a 星 bottle, (glass:1.2)", "clip": ["4", 1]},
        "7 CLIPTextEncode": {"text": "text, watermark", "clip": ["4", 1]},
        "8 VAEDecode": {"samples": ["3", 0], "vae": ["4", 2]},
        "9 SaveImage": {"filename_prefix": "ComfyUI", "images": ["8", 0]},
    }
    for name, change in changes.items():
        key = next((key for key in inputs if key.split()[0] == name.removeprefix("n")), None)
        if key is None:
            inputs[f"{name.removeprefix('n')} {change['class_type']}"] = dict(change["inputs"])
        else:
            inputs[key] |= change
    return {
        key.split()[0]: {"class_type": key.split()[1], "inputs": value, "is_changed": [float("nan")]}
        for key, value in inputs.items()
    }


def comfy(**changes: Mapping[str, Any]) -> ReadBack:
    return back_of({"prompt": json.dumps(graph(**changes)), "workflow": "{}"})


PLAIN = {
    "prompt": "a 星 bottle, (glass:1.2)", "negative_prompt": "text, watermark", "model": "v1-5-pruned", "seed": 4711,
    "steps": 20, "guidance": 8, "sampler": "Euler", "schedule": "automatic", "width": 512, "height": 768,
    "clip_skip": 1,
}  # fmt: skip


def node(kind: str, **inputs: Any) -> dict[str, Any]:
    return {"class_type": kind, "inputs": inputs}


def test_comfy_default_graph() -> None:
    back = comfy()
    assert (back.program, back.fields, back.unknown) == ("ComfyUI", PLAIN, ())
    assert json.loads(back.text or "")["3"]["inputs"]["seed"] == 4711  # the original text is kept


def test_comfy_names_what_it_cannot_follow() -> None:
    back = comfy(
        n3={"sampler_name": "res_multistep", "scheduler": "ddim_uniform", "seed": 156680208700286, "model": ["10", 0]},
        n10=node("LoraLoader", lora_name="x/pixel.safetensors", strength_model=0.8, model=["11", 0], clip=["4", 1]),
        n11=node("FreeU_V2", b1=1.3, model=["4", 0]),
        n6={"clip": ["12", 0]},
        n12=node("CLIPSetLastLayer", stop_at_clip_layer=-2, clip=["10", 1]),
        n8={"vae": ["13", 0]},
        n13=node("VAELoader", vae_name="mse.safetensors"),
    )
    expected = {name: value for name, value in PLAIN.items() if name not in ("sampler", "schedule", "seed")}
    assert back.fields == expected | {"clip_skip": 2}
    assert set(back.unknown) == {
        "seed: 156680208700286",
        "sampler: res_multistep",
        "scheduler: ddim_uniform",
        "LoRA: pixel (0.8)",
        'FreeU_V2: {"b1": 1.3}',
        "VAE: mse.safetensors",
    }


@pytest.mark.parametrize(
    ("sampler", "scheduler", "fields", "unknown"),
    [
        ("dpmpp_2m_sde_gpu", "karras", {"sampler": "DPM++ 2M SDE", "schedule": "karras"}, ()),
        ("uni_pc", "sgm_uniform", {"sampler": "UniPC", "schedule": "sgm uniform"}, ()),
        ("dpmpp_3m_sde", "normal", {"sampler": "DPM++ 3M SDE"}, ("scheduler: normal",)),  # its automatic is another
        ("lms", "exponential", {"sampler": "LMS"}, ("scheduler: exponential",)),  # do not go together here
    ],
)
def test_comfy_samplers(sampler: str, scheduler: str, fields: dict[str, str], unknown: tuple[str, ...]) -> None:
    back = comfy(n3={"sampler_name": sampler, "scheduler": scheduler})
    found = {name: value for name, value in back.fields.items() if name in ("sampler", "schedule")}
    assert (found, back.unknown) == (fields, unknown)


def test_comfy_img2img_has_a_strength_and_no_size() -> None:
    back = comfy(
        n3={"latent_image": ["20", 0], "denoise": 0.6},
        n20=node("VAEEncode", pixels=["21", 0], vae=["4", 2]),
        n21=node("LoadImage", image="cat.png"),
    )
    assert back.fields == {k: v for k, v in PLAIN.items() if k not in ("width", "height")} | {"strength": 0.6}
    assert back.unknown == ()


def test_comfy_second_pass_is_named_and_the_first_is_read() -> None:
    second = {"seed": 9, "steps": 7, "cfg": 3, "sampler_name": "ddim", "scheduler": "normal", "denoise": 0.5}
    links = {"model": ["4", 0], "positive": ["6", 0], "negative": ["7", 0], "latent_image": ["31", 0]}
    back = comfy(
        n30=node("KSampler", **second, **links),
        n31=node("LatentUpscale", samples=["3", 0], width=1024, height=1536, upscale_method="nearest-exact"),
        n8={"samples": ["30", 0]},
    )
    assert back.fields == PLAIN
    assert [text.partition(":")[0] for text in back.unknown] == [
        "another sampler (KSampler)",
        "KSampler",
        "LatentUpscale",
    ]
    assert '"denoise": 0.5' in back.unknown[0]


def test_comfy_two_pictures_in_one_graph_are_not_confused() -> None:
    other = dict(graph()["3"]["inputs"]) | {"seed": 1}
    back = comfy(
        n40=node("KSampler", **other), n41=node("VAEDecode", samples=["40", 0]), n42=node("SaveImage", images=["41", 0])
    )
    assert back.fields == {}
    assert sum(text.startswith("one of several samplers (KSampler)") for text in back.unknown) == 2


def test_comfy_values_from_other_nodes() -> None:
    back = comfy(
        n3={"seed": ["50", 0], "steps": ["51", 0], "negative": ["53", 0]},
        n50=node("PrimitiveInt", value=77),
        n51=node("Adder", a=3, b=4),
        n6={"text": ["52", 0]},
        n52=node("PrimitiveString", value="from afar"),
        n53=node("ConditioningZeroOut", conditioning=["6", 0]),
    )
    assert back.fields["seed"] == 77
    assert back.fields["prompt"] == "from afar"
    assert not {"steps", "negative_prompt"} & back.fields.keys()  # neither guessed
    assert set(back.unknown) == {
        "steps: made by Adder",
        'Adder: {"a": 3, "b": 4}',
        "ConditioningZeroOut: no values of its own",
    }


def test_comfy_a_value_that_is_computed_is_not_guessed() -> None:
    """The one number of the node is not its result."""
    back = comfy(
        n3={"seed": ["50", 0]}, n50=node("Multiply", value=77, by=["51", 0]), n51=node("PrimitiveInt", value=2)
    )
    assert "seed" not in back.fields
    assert "seed: made by Multiply" in back.unknown


def test_comfy_odd_starts_and_ends_are_named() -> None:
    back = comfy(n3={"denoise": 0.8, "start_at_step": 2, "end_at_step": 15, "add_noise": "disable"})
    assert back.fields == PLAIN
    assert set(back.unknown) == {"denoise: 0.8", "start_at_step: 2", "end_at_step: 15", "add_noise: disable"}
    usual = {"start_at_step": 0, "end_at_step": 10000, "add_noise": "enable", "return_with_leftover_noise": "disable"}
    assert comfy(n3=usual).unknown == ()


def test_comfy_control_nets_pass_each_prompt_to_its_own_side() -> None:
    back = comfy(
        n3={"positive": ["90", 0], "negative": ["90", 1]},
        n90=node("ControlNetApplyAdvanced", positive=["6", 0], negative=["7", 0], strength=0.7),
    )
    assert back.fields == PLAIN
    assert back.unknown == ('ControlNetApplyAdvanced: {"strength": 0.7}',)


def test_comfy_several_texts_are_named_not_joined() -> None:
    back = comfy(
        n3={"positive": ["60", 0]},
        n60=node("ConditioningCombine", conditioning_1=["6", 0], conditioning_2=["61", 0]),
        n61=node("CLIPTextEncode", text="and a dog", clip=["4", 1]),
    )
    assert "prompt" not in back.fields
    assert {"positive: and a dog", "positive: a 星 bottle, (glass:1.2)"} <= set(back.unknown)


def test_comfy_custom_sampler() -> None:
    parts = {
        "noise": ["70", 0], "guider": ["71", 0], "sampler": ["72", 0], "sigmas": ["73", 0], "latent_image": ["5", 0],
    }  # fmt: skip
    back = comfy(
        n80=node("SamplerCustomAdvanced", **parts),
        n70=node("RandomNoise", noise_seed=12),
        n71=node("CFGGuider", cfg=3.5, model=["4", 0], positive=["6", 0], negative=["7", 0]),
        n72=node("KSamplerSelect", sampler_name="heun"),
        n73=node("BasicScheduler", scheduler="beta", steps=30, denoise=1, model=["4", 0]),
        n8={"samples": ["80", 0]},
    )
    assert back.fields == PLAIN | {"seed": 12, "guidance": 3.5, "sampler": "Heun", "schedule": "beta", "steps": 30}
    assert back.unknown == ()


def workflow() -> dict[str, Any]:
    """The same default workflow as the page saves it."""

    def place(number: int, kind: str, values: list[Any], **inputs: int) -> dict[str, Any]:
        slots = [{"name": name, "type": "X", "link": link} for name, link in inputs.items()]
        return {"id": number, "type": kind, "pos": [0, 0], "mode": 0, "inputs": slots, "widgets_values": values}

    nodes = [
        place(7, "CLIPTextEncode", ["text, watermark"], clip=5),
        place(6, "CLIPTextEncode", ["a 星 bottle, (glass:1.2)"], clip=3),
        place(5, "EmptyLatentImage", [512, 768, 1]),
        place(
            3,
            "KSampler",
            [4711, "randomize", 20, 8, "euler", "normal", 1],
            model=1,
            positive=4,
            negative=6,
            latent_image=2,
        ),
        place(10, "Reroute", [], **{"": 10}),
        place(8, "VAEDecode", [], samples=7, vae=8),
        place(9, "SaveImage", ["ComfyUI"], images=9),
        place(4, "CheckpointLoaderSimple", ["sd15\\v1-5-pruned.safetensors"]),
        {**place(11, "KSampler", [1]), "mode": 2},
        {"id": 12, "type": "Note", "widgets_values": {"text": "hello"}},
    ]
    links = [
        [10, 4, 0, 10, 0, "*"], [1, 10, 0, 3, 0, "MODEL"], [2, 5, 0, 3, 3, "LATENT"], [3, 4, 1, 6, 0, "CLIP"],
        [4, 6, 0, 3, 1, "C"], [5, 4, 1, 7, 0, "CLIP"], [6, 7, 0, 3, 2, "C"], [7, 3, 0, 8, 0, "LATENT"],
        [8, 4, 2, 8, 1, "VAE"], [9, 8, 0, 9, 0, "IMAGE"],
    ]  # fmt: skip
    return {"last_node_id": 12, "nodes": nodes, "links": links, "version": 0.4}


def test_comfy_workflow_alone() -> None:
    back = back_of({"workflow": json.dumps(workflow())})
    assert (back.program, back.fields, back.unknown) == ("ComfyUI", PLAIN, ())


def test_comfy_workflow_without_its_bypassed_nodes() -> None:
    data = workflow()
    bypassed = next(item for item in data["nodes"] if item["type"] == "Reroute")
    bypassed |= {"type": "LoraLoader", "mode": 4, "widgets_values": ["never used", 1, 1]}
    back = back_of({"workflow": json.dumps(data)})
    assert back.fields == {name: value for name, value in PLAIN.items() if name != "model"}
    assert back.unknown[0] == "model: no file at the end of the nodes"
    assert "never used" not in " ".join(back.unknown)


def test_comfy_webp_keeps_its_texts_in_make_and_model() -> None:
    exif = Image.Exif()
    exif[0x0110] = "prompt:" + json.dumps(graph())
    exif[0x010F] = "workflow:" + json.dumps(workflow())
    for kind in ("WEBP", "JPEG"):
        back = metadata.read(encoded(PICTURE, kind, exif=exif.tobytes()))
        assert (back.program, back.fields["seed"]) == ("ComfyUI", 4711)


# -- those that name their values

INVOKE = {
    "app_version": "6.9.0", "generation_mode": "txt2img", "positive_prompt": "a cat", "negative_prompt": "dog",
    "width": 512, "height": 640, "seed": 17, "rand_device": "cpu", "cfg_scale": 7.5, "steps": 30,
    "scheduler": "dpmpp_2m_k", "clip_skip": 1, "vae": None, "seamless_x": False, "loras": [],
    "model": {"key": "a1", "hash": "blake3:ab", "name": "dreamshaper-8", "base": "sd-1", "type": "main"},
}  # fmt: skip
CAT = {
    "prompt": "a cat",
    "negative_prompt": "dog",
    "seed": 17,
    "steps": 30,
    "guidance": 7.5,
    "width": 512,
    "height": 640,
}
KARRAS = {"sampler": "DPM++ 2M", "schedule": "karras"}


def test_invokeai() -> None:
    back = back_of({"invokeai_metadata": json.dumps(INVOKE), "invokeai_graph": "{}"})
    assert (back.program, back.unknown) == ("InvokeAI", ())
    assert back.fields == {**CAT, **KARRAS, "clip_skip": 2, "model": "dreamshaper-8"}  # 0 is the last layer there
    odd = {
        "rand_device": "cuda", "scheduler": "dpmpp_3m_k", "generation_mode": "sdxl_img2img", "strength": 0.4,
        "positive_style_prompt": "oil", "loras": [{"model": {"name": "pixel"}, "weight": 0.5}], "seamless_x": True,
    }  # fmt: skip
    back = back_of({"invokeai_metadata": json.dumps(INVOKE | odd)})
    assert back.fields == {**CAT, "clip_skip": 2, "model": "dreamshaper-8", "strength": 0.4}
    assert set(back.unknown) == {
        "scheduler: dpmpp_3m",
        "rand_device: cuda",
        "positive_style_prompt: oil",
        'LoRA: {"model": {"name": "pixel"}, "weight": 0.5}',
        "seamless_x: true",
    }


def test_older_invokeai() -> None:
    image = {
        "prompt": [{"prompt": "a cat [dog]", "weight": 1}], "steps": 30, "cfg_scale": 7.5, "width": 512, "height": 640,
        "seed": 17, "sampler": "k_euler_a", "type": "txt2img", "threshold": 0, "perlin": 0, "hires_fix": True,
    }  # fmt: skip
    data = {"model": "stable diffusion", "model_weights": "sd-1.5", "model_hash": "cc" * 32, "image": image}
    back = back_of({"sd-metadata": json.dumps(data), "Dream": "ignored"})
    assert back.fields == {**CAT, "sampler": "Euler a", "model": "sd-1.5"}
    assert (back.model_hash, back.unknown) == ("cc" * 32, ("hires_fix: true",))
    line = '"a cat [dog]" -s 30 -S 17 -W 512 -H 640 -C 7.5 -A k_lms -G 0.8'
    back = back_of({"Dream": line})
    assert (back.fields, back.unknown, back.text) == ({**CAT, "sampler": "LMS"}, ("G: 0.8",), line)


NOVELAI = {
    "prompt": "a cat", "steps": 30, "height": 640, "width": 512, "scale": 7.5, "uncond_scale": 0.0, "cfg_rescale": 0.0,
    "seed": 17, "n_samples": 1, "noise_schedule": "karras", "sampler": "k_dpmpp_2m", "sm": False, "uc": "dog",
    "request_type": "PromptGenerateRequest", "signed_hash": "xyz", "strength": 0.7,
}  # fmt: skip
NOVELAI_TEXTS = {
    "Title": "NovelAI generated image", "Description": "a cat", "Software": "NovelAI",
    "Source": "NovelAI Diffusion V4 37442FCA", "Generation time": "3.2", "Comment": json.dumps(NOVELAI),
}  # fmt: skip


def stealth(text: str, magic: bytes) -> bytes:
    """Bits of a text in the lowest bit of alpha, column by column, by the layout's own description."""
    body = gzip.compress(text.encode()) if magic.endswith(b"comp") else text.encode()
    data = magic + struct.pack(">I", len(body) * 8) + body
    bits = [byte >> (7 - place) & 1 for byte in data for place in range(8)]
    picture = Image.new("RGBA", (128, 96), (10, 20, 30, 254))
    for place, bit in enumerate(bits):
        picture.putpixel((place // 96, place % 96), (10, 20, 30, 254 | bit))
    return encoded(picture, "PNG")


def test_novelai() -> None:
    expected = {**CAT, **KARRAS, "model": "NovelAI Diffusion V4"}
    back = back_of(NOVELAI_TEXTS)
    assert back.model_hash == "37442fca"
    assert (back.program, back.fields, back.unknown) == ("NovelAI", expected, ())
    hidden = metadata.read(stealth(json.dumps(NOVELAI_TEXTS), b"stealth_pngcomp"))
    assert (hidden.program, hidden.fields) == ("NovelAI", expected)
    odd = {"sampler": "k_dpmpp_2s_ancestral", "noise_schedule": "polyexponential", "sm": True, "prompt": "{a} cat"}
    back = back_of(NOVELAI_TEXTS | {"Comment": json.dumps(NOVELAI | odd | {"request_type": "Img2ImgRequest"})})
    assert back.fields["strength"] == 0.7
    assert {"sampler: dpmpp_2s_ancestral", "noise_schedule: polyexponential", "sm: true"} <= set(back.unknown)
    assert any(text.startswith("{ } in the prompt") for text in back.unknown)


def test_stealth_parameters_of_webui_kin() -> None:
    text = "a 猫\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64"
    for magic in (b"stealth_pnginfo", b"stealth_pngcomp"):
        back = metadata.read(stealth(text, magic))
        assert (back.text, back.fields["seed"]) == (text, 3)
    assert metadata.read(stealth("x", b"stealth_pngnone")).fields == {}
    lying = Image.new("RGBA", (60, 60), (0, 0, 0, 255))  # all ones: no magic word, and a length beyond the picture
    assert metadata.read(encoded(lying, "PNG")).text is None


FOOOCUS = {
    "adm_guidance": "(1.5, 0.8, 0.3)", "base_model": "juggernautXL_v8", "base_model_hash": "aeb7e9e689",
    "full_negative_prompt": ["dog"], "full_prompt": ["cinematic a cat"], "guidance_scale": 7.5, "clip_skip": 2,
    "loras": [["offset_0.1", 0.1, "4852686128"]], "lora_combined_1": "offset_0.1 : 0.1", "metadata_scheme": "fooocus",
    "negative_prompt": "dog", "performance": "Speed", "prompt": "a cat", "refiner_model": "None", "refiner_switch": 0.5,
    "resolution": "(512, 640)", "sampler": "dpmpp_2m_sde_gpu", "scheduler": "karras", "seed": "17", "sharpness": 2,
    "steps": 30, "styles": "['Fooocus V2']", "vae": "Default (model)", "version": "Fooocus v2.5.5",
}  # fmt: skip


def fooocus_exif(text: str) -> bytes:
    """Fooocus writes UserComment, Software and MakerNote into the outer folder, as ASCII."""
    exif = Image.Exif()
    exif[0x9286], exif[0x0131], exif[0x927C] = text, "Fooocus v2.5.5", "fooocus"
    return exif.tobytes()


def test_fooocus() -> None:
    text = json.dumps(FOOOCUS)
    files = [png({"parameters": text, "fooocus_scheme": "fooocus"})]
    files += [encoded(PICTURE, kind, exif=fooocus_exif(text)) for kind in ("JPEG", "WEBP")]
    for file in files:
        back = metadata.read(file)
        assert (back.program, back.text, back.model_hash) == ("Fooocus", text, "aeb7e9e689")
        sampler = {"sampler": "DPM++ 2M SDE", "schedule": "karras"}
        assert back.fields == {**CAT, **sampler, "clip_skip": 2, "model": "juggernautXL_v8"}
        assert set(back.unknown) == {
            'LoRA: ["offset_0.1", 0.1, "4852686128"]',
            "adm_guidance: (1.5, 0.8, 0.3)",
            "performance: Speed",
            "sharpness: 2",
            "styles: ['Fooocus V2']",
            "vae: Default (model)",
        }


def test_fooocus_code_in_values_is_only_text() -> None:
    """Fooocus itself evaluates this value as Python."""
    back = back_of({"parameters": json.dumps(FOOOCUS | {"resolution": "__import__('os').abort()"})})
    assert "width" not in back.fields
    assert "resolution: __import__('os').abort()" in back.unknown


EASY = {
    "prompt": "a cat", "negative_prompt": "dog", "seed": 17,
    "use_stable_diffusion_model": "/home/me/models/sd-v1-5.ckpt",
    "clip_skip": False, "use_vae_model": None, "sampler_name": "euler_a", "width": 512, "height": 640,
    "num_inference_steps": 30, "guidance_scale": 7.5, "use_face_correction": "GFPGANv1.4",
}  # fmt: skip
EASY_LABELS = {
    "prompt": "Prompt", "negative_prompt": "Negative Prompt", "seed": "Seed", "sampler_name": "Sampler",
    "width": "Width", "use_stable_diffusion_model": "Stable Diffusion model", "height": "Height",
    "num_inference_steps": "Steps", "guidance_scale": "Guidance Scale",
}  # fmt: skip


def test_easy_diffusion() -> None:
    labels = {label: str(EASY[name]) for name, label in EASY_LABELS.items()}
    expected = {**CAT, "sampler": "Euler a", "model": "sd-v1-5"}
    for file, unknown in (
        (png({name: str(value) for name, value in EASY.items()}), ("use_face_correction: GFPGANv1.4",)),
        (encoded(PICTURE, "JPEG", exif=exif.write(json.dumps(EASY))), ("use_face_correction: GFPGANv1.4",)),
        (png(labels), ()),
    ):
        back = metadata.read(file)
        assert (back.program, back.fields, back.unknown) == ("Easy Diffusion", expected, unknown)
    back = back_of({name: str(value) for name, value in (EASY | {"sampler_name": "dpm_solver_stability"}).items()})
    assert "sampler_name: dpm_solver_stability" in back.unknown


DRAW_THINGS = {
    "c": "a cat", "uc": "dog", "model": "sd_v1.5_f16.ckpt", "sampler": "DPM++ 2M Karras", "scale": 7.5, "seed": 17,
    "seed_mode": "Scale Alike", "size": "512x640", "steps": 30, "strength": 1, "lora": [], "v2": {"hiresFix": False},
}  # fmt: skip


def draw_things_packet(data: Mapping[str, Any], before: str = "") -> str:
    text = json.dumps(data).replace("&", "&amp;").replace("<", "&lt;")
    return (
        f'{before}<x:xmpmeta xmlns:x="adobe:ns:meta/" x:xmptk="XMP Core 6.0.0"><rdf:RDF '
        'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><rdf:Description rdf:about="" '
        'xmlns:exif="http://ns.adobe.com/exif/1.0/" xmlns:xmp="http://ns.adobe.com/xap/1.0/"><exif:UserComment>\n'
        f'<rdf:Alt>\n<rdf:li xml:lang="x-default">{text}</rdf:li>\n</rdf:Alt>\n</exif:UserComment>'
        "<xmp:CreatorTool>Draw Things</xmp:CreatorTool></rdf:Description></rdf:RDF></x:xmpmeta>"
    )


def test_draw_things() -> None:
    def read(packet: str, kind: str) -> ReadBack:
        if kind == "PNG":
            info = PngInfo()
            info.add_itxt("XML:com.adobe.xmp", packet)
            return metadata.read(encoded(PICTURE, "PNG", pnginfo=info))
        return metadata.read(encoded(PICTURE, kind, xmp=packet.encode()))

    for kind in ("PNG", "JPEG"):
        back = read(draw_things_packet(DRAW_THINGS | {"c": "a <cat> & you"}), kind)
        assert back.program == "Draw Things"
        assert back.fields == {**CAT, **KARRAS, "prompt": "a <cat> & you", "model": "sd_v1.5_f16"}
        assert back.unknown == ("seed_mode: Scale Alike",)
    back = read(draw_things_packet(DRAW_THINGS | {"sampler": "Euler A Trailing", "strength": 0.4}), "PNG")
    assert "sampler: Euler A Trailing" in back.unknown
    assert back.fields["strength"] == 0.4
    bomb = '<!DOCTYPE x [<!ENTITY a "aaaaaaaa"><!ENTITY b "&a;&a;&a;&a;&a;&a;&a;&a;">]>'
    assert read(draw_things_packet(DRAW_THINGS, bomb), "PNG").fields == {}


SWARM = {
    "prompt": "a cat", "negativeprompt": "dog", "model": "SDXL/juggernaut", "seed": 17, "steps": 30,
    "cfgscale": 7.5, "width": 512, "height": 640, "sampler": "dpmpp_2m", "scheduler": "karras", "refinerupscale": 2,
    "swarm_version": "0.9.7.0",
}  # fmt: skip


def test_swarmui() -> None:
    text = json.dumps({"sui_image_params": SWARM, "sui_extra_data": {}}, indent=2)
    for file in (png({"parameters": text}), encoded(PICTURE, "JPEG", exif=exif.write(text))):
        back = metadata.read(file)
        assert (back.program, back.fields) == ("SwarmUI", {**CAT, **KARRAS, "model": "juggernaut"})
        assert back.unknown == ("refinerupscale: 2",)


# -- what counts before what


def test_parameters_with_settings_count_before_a_graph() -> None:
    """Nodes that save for other programs write both."""
    text = "x\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64"
    back = back_of({"parameters": text, "prompt": json.dumps(graph())})
    assert (back.program, back.fields["seed"], back.text) == ("", 3, text)
    back = back_of({"parameters": "just a title", "prompt": json.dumps(graph())})
    assert back.fields["seed"] == 4711
    assert back_of({"parameters": "just a title"}).fields == {"prompt": "just a title", "negative_prompt": ""}
    assert back_of({"parameters": "{a|b} cat"}).fields["prompt"] == "{a|b} cat"


def test_what_was_wrong_with_our_record_is_said_beside_another_programs_settings() -> None:
    back = back_of({"seedprint": "{", "prompt": json.dumps(graph())})
    assert (back.program, back.problem) == ("ComfyUI", Note("not_json", value="{", field="seedprint"))
    swarm = json.dumps({"sui_image_params": SWARM, "sui_extra_data": {"notes": "x" * 300_000}})
    back = back_of({"parameters": swarm})
    assert (back.program, back.problem) == ("SwarmUI", None)  # too long for `parameters`, but it was none


def test_json_of_a_stranger_is_no_prompt() -> None:
    back = back_of({"parameters": '{"weather": "fine"}'})
    assert (back.fields, back.unknown) == ({}, ("parameters: JSON of a program that is not known",))
    assert back.text == '{"weather": "fine"}'


@pytest.mark.parametrize("name", ["prompt", "workflow", "invokeai_metadata", "sd-metadata", "parameters", "Comment"])
@pytest.mark.parametrize(
    "text",
    [
        '{"a":' * 60_000 + "1" + "}" * 60_000,
        '{"a":' * 900 + "1" + "}" * 900,
        '{"seed": ' + "9" * 5000 + "}",
        '{"3": {"class_type": "KSampler", "inputs": ' + "[" * 30 + "]" * 30 + "}}",
        "{" + '"x"' * 3,
        '{"x": NaN, "y": Infinity, "z": 1e999}',
        "{}",
    ],
)
def test_hostile_json_is_not_understood(name: str, text: str) -> None:
    back = back_of({name: text, "Software": "NovelAI"})
    assert not back.fields.keys() - {"prompt", "negative_prompt"}


def test_what_is_loaded_is_capped() -> None:
    assert load_object('{"a": ' * 39 + "1" + "}" * 39) is not None
    assert load_object('{"a": ' * 41 + "1" + "}" * 41) is None
    assert load_object('{"a": "' + "x" * (4 * 1024**2 - 9) + '"}') is not None
    assert load_object('{"a": "' + "x" * 4 * 1024**2 + '"}') is None
    assert load_object("[1]") is None
    assert load_object(None) is None


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("steps", float("nan")),
        ("steps", float("inf")),
        ("steps", 7.5),
        ("steps", True),
        ("steps", "7.5"),
        ("steps", "1e400"),
        ("seed", 10**400),
        ("seed", -1),
        ("seed", "9" * 40),
        ("seed", "１２x"),
        ("cfg_scale", float("nan")),
        ("cfg_scale", True),
        ("cfg_scale", "--"),
        ("width", 513),
        ("positive_prompt", 5),
        ("positive_prompt", ["a"]),
        ("positive_prompt", "\0"),
        ("model", {"name": 5}),
        ("scheduler", "Euler"),
    ],
)
def test_a_bad_value_is_named_and_spoils_no_other(name: str, value: object) -> None:
    back = back_of({"invokeai_metadata": json.dumps(INVOKE | {name: value})})
    assert len(back.unknown) == 1
    assert len(back.unknown[0]) < 300
    good = {**CAT, **KARRAS, "clip_skip": 2, "model": "dreamshaper-8"}
    names = {"cfg_scale": "guidance", "positive_prompt": "prompt", "scheduler": "sampler"}
    lost = {names.get(name, name)} | ({"width", "height"} if name == "width" else set())
    lost |= {"schedule"} if name == "scheduler" else set()
    assert back.fields == {key: item for key, item in good.items() if key not in lost}


def test_whole_numbers_may_be_written_otherwise() -> None:
    back = back_of({"invokeai_metadata": json.dumps(INVOKE | {"steps": 30.0, "seed": "17", "cfg_scale": "7.5"})})
    assert (back.fields, back.unknown) == ({**CAT, **KARRAS, "clip_skip": 2, "model": "dreamshaper-8"}, ())


def test_a_graph_that_bites_its_tail() -> None:
    circle = graph(n4={"model": ["4", 0]}, n6={"clip": ["6", 0], "text": ["6", 0]}, n5={"samples": ["5", 0]})
    del circle["4"]["inputs"]["ckpt_name"]
    assert "model" not in back_of({"prompt": json.dumps(circle)}).fields
    reroutes = {str(n): node("Reroute", x=[str((n + 1) % 1500), 0]) for n in range(1500)}
    assert back_of({"prompt": json.dumps(reroutes | {"s": graph()["3"]})}).fields.get("seed") == 4711
    crowd = {str(n): {**graph()["3"]} for n in range(1900)}
    assert back_of({"prompt": json.dumps(crowd)}).fields == {}


ODD = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats()
    | st.text(max_size=8)
    | st.sampled_from(["1e400", "-1", "9" * 40, "(1, 2)", "512x512", ["3", 0], ["4", 0], ["6", 0], [3, "x"]]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=6,
)
LAYOUTS: dict[str, dict[str, Any]] = {
    "invokeai_metadata": INVOKE,
    "parameters": FOOOCUS,
    "Comment": NOVELAI,
    "xmp:UserComment": DRAW_THINGS,
    "easy": EASY,
}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_any_value_anywhere_is_a_field_or_named_and_never_a_failure(data: st.DataObject) -> None:
    layout = data.draw(st.sampled_from([*LAYOUTS, "prompt", "workflow"]))
    content: Any
    if layout in ("prompt", "workflow"):
        content = graph() if layout == "prompt" else workflow()
        parts = list(content.values()) if layout == "prompt" else content["nodes"]
        part = data.draw(st.sampled_from(parts))
        part = part["inputs"] if layout == "prompt" and data.draw(st.booleans()) else part
        part[data.draw(st.sampled_from(sorted(part)))] = data.draw(ODD)
    else:
        content = dict(LAYOUTS[layout])
        content[data.draw(st.sampled_from(sorted(content)))] = data.draw(ODD)
    name = "parameters" if layout == "easy" else layout
    made = foreign.read({name: json.dumps(content), "Software": "NovelAI" if layout == "Comment" else ""})
    if made is not None:
        assert metadata.infotext.accepted(dict(made.fields)) == made.fields
        assert all(isinstance(text, str) and len(text) < 300 for text in made.unknown)


@settings(max_examples=100, deadline=None)
@given(st.dictionaries(st.sampled_from([*LAYOUTS, "prompt", "workflow", "Dream", "Software"]), st.text(max_size=60)))
def test_any_text_is_never_a_failure(texts: dict[str, str]) -> None:
    foreign.read(texts)


# -- beside the picture


def test_sidecars_speak_for_a_picture_without_texts(tmp_path: Path) -> None:
    picture = tmp_path / "a.png"
    PICTURE.save(picture)
    assert metadata.read(picture).fields == {}
    picture.with_suffix(".txt").write_text("a 猫\nSteps: 5, Sampler: Euler, Seed: 3, Size: 64x64\n", encoding="utf-8")
    assert metadata.read(picture).fields["prompt"] == "a 猫"
    picture.with_suffix(".json").write_text(json.dumps(EASY), encoding="utf-8")
    assert metadata.read(picture).program == "Easy Diffusion"
    lines = "".join(f"{label}: {EASY[name]}\n" for name, label in EASY_LABELS.items())
    picture.with_suffix(".txt").write_text(lines, encoding="utf-8")
    picture.with_suffix(".json").unlink()
    assert metadata.read(picture).fields == {**CAT, "sampler": "Euler a", "model": "sd-v1-5"}
    picture.write_bytes(png({"parameters": "b\nSteps: 5, Sampler: Euler, Seed: 9, Size: 64x64"}))
    assert metadata.read(picture).fields["seed"] == 9
    shopping = tmp_path / "b.jpg"
    PICTURE.save(shopping)
    shopping.with_suffix(".txt").write_text("milk, bread")
    assert metadata.read(shopping).fields == {}


def test_bytes_have_no_sidecar() -> None:
    buffer = io.BytesIO()
    PICTURE.save(buffer, "PNG")
    assert metadata.read(buffer.getvalue()) == ReadBack(size=PICTURE.size)


def alpha(data: bytes) -> Image.Image:
    """A picture of 400 x 400 pixels with these bytes in the lowest bits of alpha, column by column."""
    bits = np.full(400 * 400, 255, dtype=np.uint8)
    bits[: len(data) * 8] = 254 | np.unpackbits(np.frombuffer(data, dtype=np.uint8))
    picture = Image.new("RGBA", (400, 400))
    picture.putalpha(Image.fromarray(np.ascontiguousarray(bits.reshape(400, 400).T)))
    return picture


def test_hidden_text_is_capped_and_lengths_are_checked() -> None:
    bomb = gzip.compress(b"x" * (TEXT_LIMIT + 5000))
    found = foreign_stealth.read(alpha(b"stealth_pngcomp" + struct.pack(">I", len(bomb) * 8) + bomb))
    assert found == "x" * TEXT_LIMIT
    assert foreign_stealth.read(alpha(b"stealth_pnginfo" + struct.pack(">I", 24) + b"abc")) == "abc"
    assert foreign_stealth.read(alpha(b"stealth_pnginfo" + struct.pack(">I", 160_000) + b"abc")) is None
    assert foreign_stealth.read(alpha(b"stealth_pngcomp" + struct.pack(">I", 24) + b"abc")) is None
