"""Texts of other programs that name their values: one reader a program, from the layouts their own sources write."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from webui.archive.readers.infotext import sampler_fields
from webui.archive.readers.names import COMFY_SAMPLERS, INVOKE_SAMPLERS, OLD_SAMPLERS
from webui.archive.readers.values import Findings, load_object

Data = Mapping[str, Any]

_PAIR = re.compile(r"\(?\s*(\d{1,5})\s*[,x×*]\s*(\d{1,5})\s*\)?")
_BRACKETS = re.compile(r"\[([^\[\]]*)\]")
_DREAM = re.compile(r'\s*"(.*)"(.*)', re.DOTALL)
_DREAM_OPTION = re.compile(r"\s-{1,2}(\w{1,40})(?:[ =]([^\s-]\S{0,200}|-\d\S{0,20}))?")
_SOURCE = re.compile(r"(\S.{0,200}?)\s+([0-9A-Fa-f]{8})")  # NovelAI: the model's name and the beginning of its hash
# what Easy Diffusion's text files call its values
_EASY_LABELS = {
    "Prompt": "prompt",
    "Negative Prompt": "negative_prompt",
    "Seed": "seed",
    "Stable Diffusion model": "use_stable_diffusion_model",
    "Clip Skip": "clip_skip",
    "VAE model": "use_vae_model",
    "Sampler": "sampler_name",
    "Width": "width",
    "Height": "height",
    "Steps": "num_inference_steps",
    "Guidance Scale": "guidance_scale",
    "Prompt Strength": "prompt_strength",
    "LoRA model": "use_lora_model",
    "LoRA Strength": "lora_alpha",
    "Hypernetwork model": "use_hypernetwork_model",
}


def _take(found: Findings, data: Data, names: Mapping[str, str]) -> None:
    """`names`: theirs -> ours."""
    for theirs, ours in names.items():
        found.take(ours, data.get(theirs), theirs)


def _size_text(found: Findings, value: object, label: str) -> None:
    """`(1024, 768)`, `1024x768`, `[1024, 768]`."""
    if isinstance(value, list) and len(value) == 2:
        found.take_size(*value)
    elif isinstance(value, str) and (pair := _PAIR.fullmatch(value)):
        found.take_size(*pair.groups())
    elif value is not None:
        found.tell(label, value)


def _prompt_with_brackets(found: Findings, text: object) -> None:
    """InvokeAI 2 wrote the negative prompt into the prompt: `a cat [ugly]`."""
    if isinstance(text, str):
        found.take("negative_prompt", ", ".join(part.strip() for part in _BRACKETS.findall(text)), "prompt")
        found.take("prompt", _BRACKETS.sub("", text).strip(), "prompt")


_INVOKE_KNOWN = frozenset(
    {
        *("positive_prompt", "negative_prompt", "seed", "cfg_scale", "steps", "width", "height", "scheduler", "model"),
        *("clip_skip", "strength", "generation_mode", "app_version", "rand_device", "positive_style_prompt"),
        *("negative_style_prompt", "loras", "init_image"),
    }
)


def invokeai(data: Data) -> Findings:
    """`invokeai_metadata`, InvokeAI from 3.0 on."""
    found = Findings()
    names = {"positive_prompt": "prompt", "negative_prompt": "negative_prompt", "seed": "seed", "steps": "steps"}
    _take(found, data, {**names, "cfg_scale": "guidance"})
    found.take_size(data.get("width"), data.get("height"))
    scheduler = data.get("scheduler")
    if isinstance(scheduler, str):
        karras = scheduler.endswith("_k")
        found.take_sampler(scheduler.removesuffix("_k"), INVOKE_SAMPLERS, "scheduler")
        if "sampler" in found.fields:
            found.take_schedule("karras" if karras else "", "scheduler")
    model = data.get("model")
    if isinstance(model, dict):
        found.take_model(model.get("name", model.get("model_name")), "model", model.get("hash"))
    elif model is not None:
        found.take_model(model, "model")
    skipped = data.get("clip_skip") or 0  # 0 is the last layer, also where nothing is said
    if found.fields:
        found.take("clip_skip", skipped + 1 if isinstance(skipped, int) else skipped, "clip_skip")
    _invoke_start(found, data)
    for side in ("positive", "negative"):
        style = data.get(f"{side}_style_prompt")
        if style and style != data.get(f"{side}_prompt"):
            found.tell(f"{side}_style_prompt", style)
    for lora in data["loras"] if isinstance(data.get("loras"), list) else ():
        found.tell("LoRA", lora)
    found.rest(data, _INVOKE_KNOWN)
    return found


def _invoke_start(found: Findings, data: Data) -> None:
    mode = data.get("generation_mode")
    if isinstance(mode, str) and "txt2img" not in mode:
        found.take("strength", data.get("strength"), "strength")
        if "inpaint" in mode or "outpaint" in mode:
            found.tell("generation_mode", mode)
    elif data.get("strength") is not None:
        found.tell("strength", data["strength"])
    if data.get("rand_device", "cpu") != "cpu":
        found.tell("rand_device", data["rand_device"])


def invokeai_2(data: Data) -> Findings | None:
    """`sd-metadata`, InvokeAI 2."""
    image = data.get("image")
    if not isinstance(image, dict):
        return None
    found = Findings()
    prompt = image.get("prompt")
    if isinstance(prompt, list) and prompt and isinstance(prompt[0], dict):
        for part in prompt[1:]:
            found.tell("prompt", part)
        prompt = prompt[0].get("prompt")
    _prompt_with_brackets(found, prompt)
    _take(found, image, {"seed": "seed", "steps": "steps", "cfg_scale": "guidance"})
    found.take_size(image.get("width"), image.get("height"))
    _old_sampler(found, image.get("sampler"))
    found.take_model(data.get("model_weights"), "model_weights", data.get("model_hash"))
    if image.get("type", "txt2img") != "txt2img":
        found.take("strength", image.get("strength"), "strength")
    known = {"prompt", "seed", "steps", "cfg_scale", "width", "height", "sampler", "type", "strength"}
    found.rest(image, frozenset(known))
    return found


def dream(text: str) -> Findings | None:
    """`Dream`, the command line that the first InvokeAI kept."""
    parts = _DREAM.fullmatch(text)
    if parts is None:
        return None
    found = Findings()
    _prompt_with_brackets(found, parts[1])
    options = {name: value for name, value in _DREAM_OPTION.findall(parts[2])}
    _take(found, options, {"s": "steps", "S": "seed", "C": "guidance"})
    found.take_size(options.get("W"), options.get("H"))
    _old_sampler(found, options.get("A"))
    if "I" in options or "init_img" in options:
        found.take("strength", options.get("f"), "f")
    for name, value in options.items():
        if name not in ("s", "S", "C", "W", "H", "A", "f"):
            found.tell(name, value or "given")
    return found


def _old_sampler(found: Findings, value: object) -> None:
    found.take_sampler(value.removeprefix("k_") if isinstance(value, str) else value, OLD_SAMPLERS)


_NOVELAI_KNOWN = frozenset(
    {
        *("prompt", "uc", "steps", "scale", "seed", "sampler", "noise_schedule", "width", "height", "strength"),
        *("request_type", "signed_hash", "version", "v4_prompt", "v4_negative_prompt", "legacy", "n_samples"),
        *("params_version", "add_original_image"),
    }
)


def novelai(texts: Mapping[str, str]) -> Findings | None:
    """NovelAI: `Description` is the prompt, `Comment` the settings as JSON, `Source` the model."""
    data = load_object(texts.get("Comment"))
    if data is None:
        return None
    found = Findings()
    prompt = data.get("prompt", texts.get("Description"))
    found.take("prompt", prompt, "prompt")
    found.take("negative_prompt", data.get("uc"), "uc")
    _take(found, data, {"steps": "steps", "scale": "guidance", "seed": "seed"})
    found.take_size(data.get("width"), data.get("height"))
    _old_sampler(found, data.get("sampler"))
    found.take_schedule(data.get("noise_schedule"), "noise_schedule")
    source = _SOURCE.fullmatch(texts.get("Source", ""))
    found.take_model(source[1] if source else texts.get("Source"), "Source", source[2].lower() if source else None)
    mode = str(data.get("request_type", ""))
    if "Img2Img" in mode or "Inpaint" in mode:
        found.take("strength", data.get("strength"), "strength")
    if isinstance(prompt, str) and "{" in prompt:
        found.tell("{ } in the prompt", "NovelAI strengthens what stands in them")
    for name in ("v4_prompt", "v4_negative_prompt"):
        caption = data[name].get("caption") if isinstance(data.get(name), dict) else None
        if isinstance(caption, dict) and caption.get("char_captions"):
            found.tell(f"{name}.char_captions", caption["char_captions"])
    found.rest(data, _NOVELAI_KNOWN | ({"noise"} if "Img2Img" not in mode else set()))
    return found


_FOOOCUS_KNOWN = frozenset(
    {
        *("prompt", "negative_prompt", "full_prompt", "full_negative_prompt", "seed", "steps", "guidance_scale"),
        *("resolution", "sampler", "scheduler", "base_model", "base_model_hash", "version", "created_by"),
        *("metadata_scheme", "clip_skip", "loras", "refiner_switch", "refiner_model_hash", "cfg", "width", "height"),
    }
)


def fooocus(data: Data) -> Findings:
    """Fooocus' own scheme, and the one of its forks that say `cfg`, `width` and `height`."""
    found = Findings()
    names = {"prompt": "prompt", "negative_prompt": "negative_prompt", "seed": "seed", "steps": "steps"}
    _take(found, data, {**names, "guidance_scale": "guidance", "cfg": "guidance", "clip_skip": "clip_skip"})
    if "resolution" in data:
        _size_text(found, data["resolution"], "resolution")
    else:
        found.take_size(data.get("width"), data.get("height"))
    found.take_sampler(data.get("sampler"), COMFY_SAMPLERS)
    found.take_schedule(data.get("scheduler"))
    found.take_model(data.get("base_model"), "base_model", data.get("base_model_hash"))
    for lora in data["loras"] if isinstance(data.get("loras"), list) else ():
        found.tell("LoRA", lora)
    named = {name for name in data if name.startswith("lora_combined_")}
    found.rest(data, _FOOOCUS_KNOWN | named)
    return found


def easy_diffusion(data: Data) -> Findings:
    """Easy Diffusion, by its own names or by those of its text files. All values may be text."""
    found = Findings()
    data = {_EASY_LABELS.get(name, name): value for name, value in data.items()}
    names = {"prompt": "prompt", "negative_prompt": "negative_prompt", "seed": "seed"}
    _take(found, data, {**names, "num_inference_steps": "steps", "guidance_scale": "guidance"})
    found.take_size(data.get("width"), data.get("height"))
    found.take_sampler(data.get("sampler_name"), OLD_SAMPLERS, "sampler_name")
    found.take_model(data.get("use_stable_diffusion_model"), "use_stable_diffusion_model")
    if data.get("prompt_strength") not in (None, "None"):
        found.take("strength", data["prompt_strength"], "prompt_strength")
    known = {"use_stable_diffusion_model", "sampler_name", "width", "height", "num_inference_steps", "guidance_scale"}
    found.rest(data, frozenset(known | {*names, "prompt_strength"}))
    return found


def is_easy_diffusion(data: Data) -> bool:
    """Whether the names are Easy Diffusion's."""
    return ("num_inference_steps" in data and "guidance_scale" in data) or (
        "Stable Diffusion model" in data and "Guidance Scale" in data
    )


def draw_things(data: Data) -> Findings:
    """Draw Things: JSON in the UserComment of its XMP packet."""
    found = Findings()
    _take(found, data, {"c": "prompt", "uc": "negative_prompt", "seed": "seed", "steps": "steps", "scale": "guidance"})
    _size_text(found, data.get("size"), "size")
    sampler = data.get("sampler")
    fields = sampler_fields(sampler) if isinstance(sampler, str) else None
    if fields is not None:
        found.fields |= fields
    elif sampler is not None:
        found.tell("sampler", sampler)
    found.take_model(data.get("model"), "model")
    strength = data.get("strength")
    if strength != 1:  # 1 is also written where no picture was
        found.take("strength", strength, "strength")
    for lora in data["lora"] if isinstance(data.get("lora"), list) else ():
        found.tell("LoRA", lora)
    known = {"c", "uc", "seed", "steps", "scale", "size", "sampler", "model", "strength", "lora", "v2", "profile"}
    found.rest(data, frozenset(known))
    return found


_SWARM_KNOWN = frozenset(
    {
        *("prompt", "negativeprompt", "seed", "steps", "cfgscale", "width", "height", "sampler", "comfyuisampler"),
        *("scheduler", "comfyuischeduler", "model", "initimage", "initimagecreativity", "swarm_version", "date"),
        *("generation_time", "aspectratio", "nopreviews", "wildcardseed", "imageformat", "original_prompt"),
        "used_wildcards",
    }
)


def swarmui(data: Data) -> Findings:
    """SwarmUI: the object `sui_image_params`."""
    found = Findings()
    names = {"prompt": "prompt", "negativeprompt": "negative_prompt", "seed": "seed", "steps": "steps"}
    _take(found, data, {**names, "cfgscale": "guidance"})
    found.take_size(data.get("width"), data.get("height"))
    found.take_sampler(data.get("sampler", data.get("comfyuisampler")), COMFY_SAMPLERS)
    found.take_schedule(data.get("scheduler", data.get("comfyuischeduler")))
    found.take_model(data.get("model"), "model")
    if data.get("initimage") is not None or data.get("initimagecreativity") is not None:
        found.take("strength", data.get("initimagecreativity"), "initimagecreativity")
    found.rest(data, _SWARM_KNOWN)
    return found
