"""LoRAs, learned words and VAEs over a tiny model: against weights added by hand, and off again without a trace."""

from __future__ import annotations

import copy
import hashlib
import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pipelines.errors import InvalidRequest, Note
from pipelines.models.checkpoints import identify
from pipelines.types import GenerationRequest, GenerationResult
from tests.engines.conftest import batch_of, ignore
from webui.words import line

pytestmark = [pytest.mark.torch, pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")]
torch = pytest.importorskip("torch")
adapters = pytest.importorskip("pipelines.models.adapters")

UNET_LAYERS = re.compile(r"attn1\.to_q$|attn2\.to_[kv]$|attn2\.to_out\.0$|ff\.net\.0\.proj$")
TEXT_LAYERS = re.compile(r"(?:[qkv]_proj|out_proj|fc[12])$")
PLAIN = GenerationRequest(
    prompt="a cat", model="base", width=64, height=64, steps=2, guidance=5.0, seed=7, sampler="DDIM"
)
Make = Callable[..., GenerationResult]


def layers_of(part: Any, pattern: re.Pattern[str]) -> dict[str, Any]:
    return {
        name: module
        for name, module in part.named_modules()
        if pattern.search(name) and isinstance(module, torch.nn.Linear)
    }


def random_lora(parts: Any, seed: int) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    """The tensors of a file as kohya's trainer names them, and for each part what they add to its weights."""
    generator = torch.Generator().manual_seed(seed)
    tensors: dict[str, Any] = {}
    added: dict[str, dict[str, Any]] = {"unet": {}, "text": {}}
    encoder = parts.text_encoders[0]
    for part, layers, prefix in (
        ("unet", layers_of(parts.unet, UNET_LAYERS), "lora_unet_"),
        ("text", layers_of(encoder, TEXT_LAYERS), "lora_te_text_model_"),
    ):
        for number, (name, layer) in enumerate(layers.items()):
            down = torch.randn(4, layer.in_features, generator=generator) * 0.1
            up = torch.randn(layer.out_features, 4, generator=generator) * 0.1
            alpha = 1.0 + number % 3  # not one for all
            key = prefix + name.removeprefix("text_model.").replace(".", "_")
            tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
            added[part][name] = (up @ down) * (alpha / 4)
    return tensors, added


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Any]:
    from safetensors.torch import save_file

    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel, write_kind

    folder = tmp_path_factory.mktemp("models")
    base, other = (RandomModel("sd15", tiny=True, seed=seed) for seed in (0, 1))
    base.write_single(folder / "base.safetensors")
    for kind in ("lora-sdxl", "lora-sd21", "lycoris-lokr-sdxl", "embedding-sdxl", "vae"):
        write_kind(kind, folder / f"{kind}.safetensors")
    engine = LocalEngine([folder], device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    parts = engine.manager.get("base").parts
    (folder / "loras").mkdir()
    for number, name in enumerate(("first", "second")):
        save_file(random_lora(parts, number)[0], folder / "loras" / f"{name}.safetensors")
    strange = {key.replace("blocks_0", "blocks_9"): tensor for key, tensor in random_lora(parts, 0)[0].items()}
    save_file(strange, folder / "strange.safetensors")
    words = torch.randn(3, 768, generator=torch.Generator().manual_seed(0))
    save_file({"emb_params": words}, folder / "my-word.safetensors")
    torch.save({"string_to_param": {"*": words}, "name": "old"}, folder / "oldword.pt")
    for seed, model in enumerate((base, other)):
        diffusers_vae = {key: model.tensor("vae", key) for key in model.shapes["vae"]}
        save_file(diffusers_vae, folder / f"vae-{seed}.safetensors")
        original = {item.name: model.original(item) for item in model.plan if item.part == "vae"}
        bare = {name.removeprefix("first_stage_model."): tensor for name, tensor in original.items()}
        save_file(bare, folder / f"vae-original-{seed}.safetensors")
    yield engine
    engine.close()


@pytest.fixture
def make(engine: Any) -> Make:
    def make(prompt: str = "a cat", **changes: Any) -> GenerationResult:
        result: GenerationResult = engine.generate(batch_of(replace(PLAIN, prompt=prompt, **changes), 7), ignore)[0]
        return result

    return make


def test_a_lora_does_what_its_weights_say(engine: Any, make: Make) -> None:
    """In UNet and text encoder, each with its own weight and each layer with its own alpha."""
    make()
    parts = engine.manager.current.parts
    _, added = random_lora(parts, 0)
    unet, encoder = copy.deepcopy(parts.unet), copy.deepcopy(parts.text_encoders[0])
    for part, amounts, weight in ((unet, added["unet"], 0.5), (encoder, added["text"], 0.8)):
        for name, module in part.named_modules():
            if name in amounts:
                module.weight = torch.nn.Parameter(module.weight + weight * amounts[name])
    assert len(added["unet"]) > 10
    assert len(added["text"]) > 10
    make("a cat <lora:first:0.8:0.5>")
    ids = torch.arange(77)[None] + 400
    latents, text = torch.randn(1, 4, 16, 16), torch.randn(1, 77, 768)
    with torch.no_grad():
        assert torch.allclose(parts.text_encoders[0](ids)[0], encoder(ids)[0], atol=1e-4)
        ours, theirs = (each(latents, 500, encoder_hidden_states=text).sample for each in (parts.unet, unet))
        assert torch.allclose(ours, theirs, atol=1e-4)
        make()
        plain = parts.unet(latents, 500, encoder_hidden_states=text).sample
    assert not torch.allclose(plain, theirs, atol=1e-2)  # the comparison above could have failed


@pytest.mark.parametrize("kept", ["q_proj v_proj", "q_proj", "fc1", "k_proj fc2"])
def test_a_lora_of_some_layers_of_the_text_encoder_alone(engine: Any, make: Make, kept: str) -> None:
    """Against the encoder with the products added to its weights. Some trainers touch queries and values only."""
    from safetensors.torch import save_file

    base = make().image.tobytes()
    parts = engine.manager.current.parts
    tensors, added = random_lora(parts, 3)
    suffixes = tuple(kept.split())
    few = {name: tensor for name, tensor in tensors.items() if name.partition(".")[0].endswith(suffixes)}
    encoder = copy.deepcopy(parts.text_encoders[0])
    changed = 0
    for name, module in encoder.named_modules():
        if name in added["text"] and name.endswith(suffixes):
            module.weight = torch.nn.Parameter(module.weight + 0.7 * added["text"][name])
            changed += 1
    assert changed == 2 * len(suffixes)  # the tiny encoder has two layers
    folder = Path(next(info.path for info in engine.models() if info.name == "base")).parent
    path = folder / "few.safetensors"
    try:
        save_file(few, path)
        picture = make("a cat <lora:few:0.7>").image.tobytes()
        ids = torch.arange(77)[None] + 400
        with torch.no_grad():
            assert torch.allclose(parts.text_encoders[0](ids)[0], encoder(ids)[0], atol=1e-4)
        assert picture != base
        assert make().image.tobytes() == base
    finally:
        path.unlink()


def test_loras_change_the_picture_and_leave_no_trace(make: Make, engine: Any) -> None:
    base = make()
    assert "loras" not in base.facts
    first = make("a cat <lora:first:0.8>")
    both = make("a cat <lora:first:0.8><lora:second:-0.5:0.3>")
    louder = make("a cat <lora:first:1>")
    pictures = [result.image.tobytes() for result in (base, first, both, louder)]
    assert len(set(pictures)) == 4
    assert make("a cat <lora:first:0><lora:SECOND:0>").image.tobytes() == pictures[0]
    assert make("a cat <lora:first:0.8>").image.tobytes() == pictures[1]
    assert make("<lora:first:0.3>a cat <lora:first:0.5>").image.tobytes() == pictures[1]  # twice: the weights add
    assert make().image.tobytes() == pictures[0]
    path = next(Path(info.path) for info in engine.adapters() if info.name == "second")
    assert both.facts["loras"][1] == {
        "name": "second",
        "sha256": hashlib.sha256(path.read_bytes()).hexdigest(),
        "text_weight": -0.5,
        "unet_weight": 0.3,
    }
    assert [lora["name"] for lora in both.facts["loras"]] == ["first", "second"]


@pytest.mark.fault(14)
@pytest.mark.parametrize(
    ("prompt", "code", "name"),
    [
        ("a cat <lora:nowhere:1>", "lora_missing", "nowhere"),
        ("a cat <lora:base:1>", "lora_missing", "base"),
        ("a cat <lora:lora-sdxl:1>", "file_family", "lora-sdxl"),
        ("a cat <lora:lora-sd21:1>", "file_family", "lora-sd21"),
        ("a cat <lora:lycoris-lokr-sdxl:1>", "file_family", "lycoris-lokr-sdxl"),
        ("a cat <lora:first:1> <lora:strange:1>", "lora_unfit", "strange"),
        ("a lora-sdxl embedding-sdxl", "file_family", "embedding-sdxl"),
    ],
)
def test_what_cannot_be_used_is_one_sentence_and_the_model_stays_clean(
    make: Make, prompt: str, code: str, name: str
) -> None:
    before = make().image.tobytes()
    make("a cat <lora:second:1>")
    with pytest.raises(InvalidRequest) as caught:
        make(prompt)
    assert (caught.value.field, caught.value.note.code) == ("prompt", code)
    assert caught.value.note.values["name"] == name
    assert "\n" not in line(caught.value)
    assert make().image.tobytes() == before


def test_a_lora_in_the_negative_prompt_is_refused(engine: Any, make: Make) -> None:
    with pytest.raises(InvalidRequest, match=r"^negative_prompt: .*'first'"):
        make(negative_prompt="bad <lora:first:1>")
    with pytest.raises(InvalidRequest, match=r"^negative_prompt: .*'first'"):
        engine.check(replace(PLAIN, negative_prompt="<lora:first:1>"))
    with pytest.raises(InvalidRequest, match=r"^prompt: .*'nowhere'"):
        engine.check(replace(PLAIN, prompt="<lora:nowhere:1>"))
    engine.check(replace(PLAIN, prompt="<lora:first:1> my-word oldword", vae="vae-1"))


def test_a_learned_word_is_its_vectors(engine: Any, make: Make) -> None:
    base = make("a cat")
    spelled = make("a my-words cat")  # another word
    assert "embeddings" not in spelled.facts
    learned = make("a MY-word cat")
    assert [item["name"] for item in learned.facts["embeddings"]] == ["my-word"]
    assert learned.image.tobytes() != spelled.image.tobytes()
    parts = engine.manager.current.parts
    table, tokenizer = parts.text_encoders[0].get_input_embeddings(), parts.tokenizers[0]
    ids = tokenizer(["a my-word cat"], add_special_tokens=False)["input_ids"][0]
    words = table.table.num_embeddings
    assert ids[1:-1] == [words, words + 1, words + 2]
    assert [ids[0], ids[-1]] == tokenizer(["a cat"], add_special_tokens=False)["input_ids"][0]
    rows = table(torch.tensor([ids]))[0]
    expected = torch.randn(3, 768, generator=torch.Generator().manual_seed(0))
    assert torch.equal(rows[1:4], expected.to(rows))
    assert torch.equal(rows[0], table.table.weight[ids[0]])
    assert make("a cat").image.tobytes() == base.image.tobytes()
    assert isinstance(parts.text_encoders[0].get_input_embeddings(), torch.nn.Embedding)
    assert make("a cat", negative_prompt="my-word").image.tobytes() != base.image.tobytes()


def test_an_old_learned_word_is_converted_when_it_is_used(engine: Any, make: Make) -> None:
    """The same vectors as in my-word, so the same picture."""
    new = make("a (my-word:1.2) cat").image
    old = make("a (oldword:1.2) cat")
    assert old.image.tobytes() == new.tobytes()
    path = next(Path(info.path) for info in engine.adapters() if info.name == "oldword")
    assert identify(path).kind == "embedding"
    assert old.facts["embeddings"] == [{"name": "oldword", "sha256": hashlib.sha256(path.read_bytes()).hexdigest()}]


def test_a_vae_of_its_own(make: Make) -> None:
    automatic = make()
    for name in ("vae-0", "vae-original-0"):
        own = make(vae=name)
        assert own.image.tobytes() == automatic.image.tobytes()
        assert own.facts["vae"]["name"] == name
    others = [make(vae=name).image for name in ("vae-1", "vae-original-1")]
    assert others[0].tobytes() == others[1].tobytes()
    assert np.abs(np.asarray(others[0]).astype(int) - np.asarray(automatic.image)).mean() > 1
    assert "vae" not in make().facts
    assert make().image.tobytes() == automatic.image.tobytes()
    for name, code in (("nowhere", "vae_missing"), ("first", "vae_missing"), ("vae", "vae_unfit")):
        with pytest.raises(InvalidRequest) as caught:
            make(vae=name)
        assert (caught.value.field, caught.value.note.code) == ("vae", code)
        assert "\n" not in line(caught.value)
    assert make().image.tobytes() == automatic.image.tobytes()


def test_a_model_that_was_away_comes_back_clean(make: Make) -> None:
    base = make()
    make("a cat my-word <lora:first:1>")
    make(model="builtin", steps=1)
    assert make().image.tobytes() == base.image.tobytes()
    with pytest.raises(InvalidRequest, match="file_family") as caught:
        make("a cat <lora:first:1>", model="builtin")
    assert caught.value.note.values["family"] == Note("family_builtin")


def test_sdxl_has_two_text_encoders(tmp_path: Path) -> None:
    """In the names of kohya's trainer: te1, te2, and the UNet's blocks as the original program numbers them."""
    from safetensors.torch import save_file

    from pipelines.engines.local import LocalEngine
    from tools.make_random_checkpoint import RandomModel

    RandomModel("sdxl", tiny=True).write_single(tmp_path / "base.safetensors")
    engine = LocalEngine([tmp_path], device="cpu")
    engine.manager.placement = replace(engine.manager.placement, dtype=torch.float32, channels_last=False)
    try:
        parts = engine.manager.get("base").parts
        places = (
            (parts.unet, "down_blocks.1.attentions.0.transformer_blocks.0.attn2.to_k", "lora_unet_input_blocks_4_1_"),
            *(
                (encoder, name, f"lora_te{number}_text_model_")
                for number, encoder in enumerate(parts.text_encoders, 1)
                for name in layers_of(encoder, TEXT_LAYERS)
            ),
        )
        generator = torch.Generator().manual_seed(0)
        tensors, expected = {}, []
        for number, (part, name, prefix) in enumerate(places):
            layer = part.get_submodule(name)
            down = torch.randn(4, layer.in_features, generator=generator) * 0.1
            up = torch.randn(layer.out_features, 4, generator=generator) * 0.1
            alpha = 1.0 + number % 3
            rest = name.removeprefix("down_blocks.1.attentions.0.").removeprefix("text_model.")
            key = prefix + rest.replace(".", "_")
            tensors |= {f"{key}.lora_down.weight": down, f"{key}.lora_up.weight": up}
            tensors[f"{key}.alpha"] = torch.tensor(alpha)
            expected.append((part, name, layer.weight + 0.5 * (up @ down) * (alpha / 4), layer.bias))
        save_file(tensors, tmp_path / "xl.safetensors")
        words = {"clip_l": torch.randn(2, 768), "clip_g": torch.randn(2, 1280)}
        save_file(words, tmp_path / "xlword.safetensors")
        base = engine.generate(batch_of(PLAIN, 7), ignore)[0].image
        wish = replace(PLAIN, prompt="a xlword cat <lora:xl:0.5>")
        laid = engine.generate(batch_of(wish, 7), ignore)[0]
        assert laid.image.tobytes() != base.tobytes()
        assert [item["name"] for item in (*laid.facts["loras"], *laid.facts["embeddings"])] == ["xl", "xlword"]
        for part, name, weight, bias in expected:
            layer = part.get_submodule(name)
            given = torch.randn(3, weight.shape[1], generator=generator)
            with torch.no_grad():
                assert torch.allclose(layer(given), torch.nn.functional.linear(given, weight, bias), atol=1e-4), name
        for encoder, name in zip(parts.text_encoders, ("clip_l", "clip_g"), strict=True):
            table = encoder.get_input_embeddings()
            assert torch.equal(table(torch.tensor([[49_408, 49_409]]))[0], words[name])
        assert engine.generate(batch_of(PLAIN, 7), ignore)[0].image.tobytes() == base.tobytes()
    finally:
        engine.close()
