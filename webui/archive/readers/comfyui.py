"""ComfyUI's graph of nodes: back from the saved picture to its sampler, and from there to what it was given."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from webui.archive.readers.names import COMFY_SAMPLERS, stem
from webui.archive.readers.values import Findings

NODE_LIMIT = 2000
_SAMPLER_LIMIT = 20
_REROUTES = 100  # one behind the other

Graph = dict[str, dict[str, Any]]  # node id -> class_type, inputs

# They change nothing of what we read, or are what we read.
_SILENT = {"SaveImage", "PreviewImage", "SaveAnimatedWEBP", "VAEDecode", "VAEDecodeTiled", "LoadImage", "Note"}
_PARTS = ("noise", "guider", "sampler", "sigmas")  # SamplerCustomAdvanced keeps its settings in nodes of their own
_SAME = {"noise_seed": "seed"}
# Values of a node in the page's own file stand without names, in the order of the node's widgets.
_WIDGETS = {
    "KSampler": ("seed", "", "steps", "cfg", "sampler_name", "scheduler", "denoise"),
    "KSamplerAdvanced": (
        *("add_noise", "noise_seed", "", "steps", "cfg", "sampler_name", "scheduler"),
        *("start_at_step", "end_at_step", "return_with_leftover_noise"),
    ),
    "CLIPTextEncode": ("text",),
    "CheckpointLoaderSimple": ("ckpt_name",),
    "EmptyLatentImage": ("width", "height", "batch_size"),
    "EmptySD3LatentImage": ("width", "height", "batch_size"),
    "CLIPSetLastLayer": ("stop_at_clip_layer",),
    "LoraLoader": ("lora_name", "strength_model", "strength_clip"),
    "LoraLoaderModelOnly": ("lora_name", "strength_model"),
    "UNETLoader": ("unet_name", "weight_dtype"),
    "VAELoader": ("vae_name",),
    "LoadImage": ("image",),
    "KSamplerSelect": ("sampler_name",),
    "BasicScheduler": ("scheduler", "steps", "denoise"),
    "RandomNoise": ("noise_seed",),
    "CFGGuider": ("cfg",),
    "FluxGuidance": ("guidance",),
    "PrimitiveInt": ("value",),
    "PrimitiveString": ("value",),
}


def as_graph(data: Mapping[str, Any]) -> Graph | None:
    """The nodes of ComfyUI's `prompt` JSON, None when it is something else."""
    if len(data) > NODE_LIMIT:
        return None
    nodes = {
        str(name): node
        for name, node in data.items()
        if isinstance(node, dict) and isinstance(node.get("class_type"), str) and isinstance(node.get("inputs"), dict)
    }
    return nodes or None


def from_workflow(data: Mapping[str, Any]) -> Graph | None:
    """The page's own file (`workflow`) as such nodes: values only of the nodes whose layout is known."""
    nodes, links = data.get("nodes"), data.get("links")
    if not isinstance(nodes, list) or not isinstance(links, list) or len(nodes) > NODE_LIMIT:
        return None
    sources: dict[Any, list[Any]] = {}
    for link in links:
        if isinstance(link, list) and len(link) >= 3 and isinstance(link[0], int):
            sources[link[0]] = [str(link[1]), link[2]]
        elif isinstance(link, dict) and isinstance(link.get("id"), int):
            sources[link["id"]] = [str(link.get("origin_id")), link.get("origin_slot")]
    return {
        str(node["id"]): {"class_type": node["type"], "inputs": _widgets(node) | _links(node, sources)}
        for node in nodes
        if isinstance(node, dict) and isinstance(node.get("type"), str) and "id" in node
        if node.get("mode") not in (2, 4)  # muted, passed by
    } or None


def _widgets(node: Mapping[str, Any]) -> dict[str, Any]:
    values = node.get("widgets_values")
    names = _WIDGETS.get(node["type"], ())
    return {name: value for name, value in zip(names, values, strict=False) if name} if isinstance(values, list) else {}


def _links(node: Mapping[str, Any], sources: Mapping[Any, list[Any]]) -> dict[str, Any]:
    inputs = node.get("inputs")
    found: dict[str, Any] = {}
    for item in inputs if isinstance(inputs, list) else ():
        if isinstance(item, dict) and isinstance(item.get("name"), str) and isinstance(item.get("link"), int):
            source = sources.get(item["link"])
            if source is not None:
                found[item["name"]] = source
    return found


def _plain(inputs: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in inputs.items() if not isinstance(value, (list, dict))}


def read(graph: Graph) -> Findings:
    """The settings of the picture's first pass; every other pass and node that changes it is named."""
    return _Reader(graph).read()


class _Reader:
    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self.found = Findings()
        self.used: set[str] = set()

    def read(self) -> Findings:
        drawn = self.upstream(self.outputs())
        samplers = [name for name in drawn if self.is_sampler(name)][:_SAMPLER_LIMIT]
        first = [name for name in samplers if not self.before(name) & set(samplers)]
        if len(first) == 1:
            self.read_sampler(first[0])
        for name in samplers:
            if first != [name]:
                which = "another sampler" if len(first) == 1 else "one of several samplers"
                self.found.tell(f"{which} ({self.kind(name)})", _plain(self.settings(name)))
        for name in drawn:
            if name not in self.used and self.kind(name) not in _SILENT:
                self.tell_node(name)
        return self.found

    # -- the graph

    def kind(self, name: str) -> str:
        return str(self.graph[name]["class_type"])

    def inputs(self, name: str) -> dict[str, Any]:
        inputs: dict[str, Any] = self.graph[name]["inputs"]
        return inputs

    def source(self, value: object) -> str | None:
        """The node that a link leads to, past reroutes."""
        for _ in range(_REROUTES):
            if not isinstance(value, list) or len(value) != 2 or not isinstance(value[0], (str, int)):
                return None
            name = str(value[0])
            if name not in self.graph:
                return None
            if self.kind(name) != "Reroute":
                return name
            self.used.add(name)
            value = next(iter(self.inputs(name).values()), None)
        return None

    def upstream(self, start: Iterable[str]) -> list[str]:
        """All nodes that these are made from, themselves first."""
        order = list(dict.fromkeys(start))
        seen = set(order)
        for name in order:
            for value in self.inputs(name).values():
                source = self.source(value)
                if source is not None and source not in seen:
                    seen.add(source)
                    order.append(source)
        return order

    def outputs(self) -> list[str]:
        """Nodes that save or show pictures, else those that nobody reads."""
        savers = [name for name in self.graph if "images" in self.inputs(name) and "Save" in self.kind(name)]
        read = {self.source(value) for name in self.graph for value in self.inputs(name).values()}
        return savers or [name for name in self.graph if name not in read]

    def before(self, name: str) -> set[str]:
        latent = self.source(self.inputs(name).get("latent_image"))
        return set(self.upstream([latent])) if latent else set()

    def value(self, value: object, kinds: tuple[type, ...]) -> object:
        """A value itself, or the only value of that type in the node that a link leads to; None when unclear."""
        name = self.source(value)
        if name is None:
            return None if isinstance(value, (list, dict)) else value
        plain = [item for item in self.inputs(name).values() if isinstance(item, kinds) and not isinstance(item, bool)]
        if len(plain) != 1 or any(self.source(item) for item in self.inputs(name).values()):
            return None
        self.used.add(name)
        return plain[0]

    # -- the sampler and what it was given

    def is_sampler(self, name: str) -> bool:
        settings = self.settings(name)
        return "latent_image" in self.inputs(name) and {"sampler_name", "steps"} <= settings.keys()

    def settings(self, name: str) -> dict[str, Any]:
        settings = dict(self.inputs(name))
        for part in _PARTS:
            node = self.source(settings.get(part))
            if node is not None:
                settings = {**self.inputs(node), **settings}
        return {_SAME.get(key, key): value for key, value in settings.items()}

    def read_sampler(self, name: str) -> None:
        settings = self.settings(name)
        self.used |= {name, *(node for part in _PARTS if (node := self.source(settings.get(part))) is not None)}
        for field, key in (("seed", "seed"), ("steps", "steps"), ("guidance", "cfg")):
            self.number(field, key, settings.get(key))
        self.found.take_sampler(self.value(settings.get("sampler_name"), (str,)), COMFY_SAMPLERS)
        self.found.take_schedule(self.value(settings.get("scheduler"), (str,)))
        self.prompt("prompt", "positive", settings.get("positive", settings.get("conditioning")))
        self.prompt("negative_prompt", "negative", settings.get("negative"))
        if "prompt" in self.found.fields:
            self.found.fields.setdefault("clip_skip", 1)
        self.model(settings.get("model"))
        self.latent(settings)
        for key, usual in (("add_noise", "enable"), ("start_at_step", 0), ("return_with_leftover_noise", "disable")):
            if key in settings and settings[key] != usual:
                self.found.tell(key, settings[key])
        end, steps = settings.get("end_at_step"), settings.get("steps")
        if isinstance(end, int) and isinstance(steps, int) and end < steps:
            self.found.tell("end_at_step", end)

    def number(self, field: str, key: str, value: object) -> None:
        found = self.value(value, (int, float))
        if found is None and value is not None:
            self.found.tell(key, self.origin(value))
        self.found.take(field, found, key)

    def origin(self, value: object) -> str:
        name = self.source(value)
        return f"made by {self.kind(name)}" if name else "made by a node that is missing"

    def prompt(self, field: str, role: str, link: object) -> None:
        """The one text that conditions; several, or none that can be read, are named."""
        texts: list[tuple[str, object]] = []
        queue, seen = [self.source(link)], set()
        for name in queue:
            if name is None or name in seen:
                continue
            seen.add(name)
            self.used.add(name)
            inputs = self.inputs(name)
            written = [inputs[key] for key in ("text", "text_g", "text_l", "clip_l", "t5xxl") if key in inputs]
            if written:
                texts += [(name, text) for text in written]
                self.clip(inputs.get("clip"))
                continue
            self.tell_node(name)
            if self.kind(name) != "ConditioningZeroOut":  # no text is left of what goes in there
                onward = [role] if role in inputs else [key for key in inputs if key.startswith("conditioning")]
                queue += [self.source(inputs[key]) for key in onward]
        plain = {self.value(text, (str,)) for _, text in texts}
        if len(plain) == 1 and (only := plain.pop()) is not None:
            self.found.take(field, only, role)
        else:
            for name, text in texts:
                value = self.value(text, (str,))
                self.found.tell(role, value if value is not None else f"{self.kind(name)}: {self.origin(text)}")

    def clip(self, link: object) -> None:
        """Clip skip on the way from a text encoder to its file; LoRAs there are named with the model."""
        name, seen = self.source(link), set()
        while name is not None and name not in seen:
            seen.add(name)
            inputs = self.inputs(name)
            layer = inputs.get("stop_at_clip_layer")
            if isinstance(layer, int):
                self.used.add(name)
                self.found.take("clip_skip", -layer, "stop_at_clip_layer")
            name = self.source(inputs.get("clip"))

    def model(self, link: object) -> None:
        """The file at the end of the model's chain; what lies on the way is named."""
        name, seen = self.source(link), set()
        while name is not None and name not in seen:
            seen.add(name)
            self.used.add(name)
            inputs = self.inputs(name)
            file = next((inputs[key] for key in ("ckpt_name", "unet_name") if key in inputs), None)
            if file is not None:
                self.found.take_model(self.value(file, (str,)), "model")
                return
            self.tell_node(name)
            name = self.source(inputs.get("model"))
        self.found.tell("model", "no file at the end of the nodes")

    def latent(self, settings: Mapping[str, Any]) -> None:
        """Size of an empty start, or how much of a picture's is kept."""
        denoise = self.value(settings.get("denoise"), (int, float))
        name, seen = self.source(settings.get("latent_image")), set()
        while name is not None and name not in seen:
            seen.add(name)
            self.used.add(name)
            inputs = self.inputs(name)
            if "pixels" in inputs:
                self.found.take("strength", 1 if denoise is None else denoise, "denoise")
                if self.kind(name) != "VAEEncode":
                    self.tell_node(name)
                return
            if {"width", "height"} <= inputs.keys() and "samples" not in inputs:
                self.found.take_size(self.value(inputs["width"], (int,)), self.value(inputs["height"], (int,)))
                break
            self.tell_node(name)
            name = self.source(inputs.get("samples"))
        if denoise not in (None, 1):
            self.found.tell("denoise", denoise)

    def tell_node(self, name: str) -> None:
        """A node that changes the picture, with its own values."""
        self.used.add(name)
        inputs = _plain(self.inputs(name))
        if "lora_name" in inputs:
            self.found.tell("LoRA", f"{stem(inputs['lora_name'])} ({inputs.get('strength_model', 1)})")
        elif "vae_name" in inputs:
            self.found.tell("VAE", inputs["vae_name"])
        else:
            self.found.tell(self.kind(name), inputs or "no values of its own")
