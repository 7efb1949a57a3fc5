"""Embeddings, held against diffusers, against compel and against the rule written out in float64."""

from collections.abc import Sequence
from typing import Any

import pytest

from pipelines.errors import InvalidRequest
from pipelines.prompts.grammar import parse
from pipelines.prompts.wish import Spoken, read

pytestmark = pytest.mark.torch
torch = pytest.importorskip("torch")

from pipelines.models.vocabulary import Words  # noqa: E402
from pipelines.prompts.encoding import PromptEncoder, encode, pair  # noqa: E402
from tests.conditioning import conditioned  # noqa: E402
from tests.prompts.conftest import BUILTIN  # noqa: E402

LONG = " ".join(["a red star on the blue boat"] * 20)  # 140 words of one token each


def spoken(text: str, negative: str, dialect: str = "a1111", names: Sequence[str] = ()) -> tuple[Spoken, Spoken]:
    return read(text, dialect, "prompt", names), read(negative, dialect, "negative_prompt", names)


def embedding(pipeline: Any, prompt: str, **options: Any) -> Any:
    options.setdefault("steps", 1)
    ((found, _),) = encode(pipeline.tokenizer, pipeline.text_encoder, prompt, **options).at(1)
    return found


def diffusers_embedding(pipeline: Any, prompt: str) -> Any:
    return pipeline.encode_prompt(prompt, "cpu", 1, do_classifier_free_guidance=False)[0]


def chunk_ids(pipeline: Any, text: str) -> Any:
    tokenizer = pipeline.tokenizer
    return tokenizer(text, padding="max_length", max_length=77, truncation=True, return_tensors="pt").input_ids


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("prompt", ["", "a red star", "A big Blue, boat; at night!! 中文 😀", " ".join(["star"] * 75)])
def test_a_plain_prompt_is_what_diffusers_gives(pipelines_by_dtype: dict[str, Any], dtype: str, prompt: str) -> None:
    pipeline = pipelines_by_dtype[dtype]
    found = embedding(pipeline, prompt)
    assert found.dtype == getattr(torch, dtype)
    assert torch.equal(found, diffusers_embedding(pipeline, prompt))


@pytest.mark.parametrize("flat", [True, False], ids=["encoder.final_layer_norm", "encoder.text_model"])
def test_clip_skip_is_the_norm_of_an_earlier_layer(builtin: Any, flat: bool) -> None:
    class Nested(torch.nn.Module):  # type: ignore[misc,name-defined]
        """The layout of transformers before 5.6."""

        def __init__(self, model: Any) -> None:
            super().__init__()
            self.text_model = model
            self.config, self.device, self.dtype = model.config, model.device, model.dtype

        def forward(self, ids: Any, **options: Any) -> Any:
            return self.text_model(ids, **options)

    inner = getattr(builtin.text_encoder, "text_model", builtin.text_encoder)
    encoder = inner if flat else Nested(inner)
    with torch.no_grad():
        states = inner(chunk_ids(builtin, "a red star"), output_hidden_states=True).hidden_states
        expected = inner.final_layer_norm(states[-2])
    found = encode(builtin.tokenizer, encoder, "a red star", steps=1, clip_skip=2).at(1)[0][0]
    assert torch.equal(found, expected)
    assert not torch.equal(found, embedding(builtin, "a red star"))


@pytest.mark.parametrize("dialect", ["a1111", "compel"])
@pytest.mark.parametrize("text", ["a Good+ (1) star", r"a good+ \(1\) star"])
def test_a_learned_word_with_signs_is_encoded_as_under_a_plain_name(builtin: Any, text: str, dialect: str) -> None:
    tokenizer = Words(builtin.tokenizer)
    vectors = builtin.tokenizer("red blue boat", add_special_tokens=False)["input_ids"]

    def embedded(name: str, prompt: str) -> Any:
        tokenizer.learn({name: vectors})
        encoder = PromptEncoder(tokenizer, builtin.text_encoder)
        return encoder.encode_pair(*spoken(prompt, "", dialect, tokenizer.names), steps=1)[0].at(1)[0][0]

    assert torch.equal(embedded("Good+ (1)", text), embedded("plain", "a plain star"))


def test_too_much_clip_skip_is_refused(builtin: Any) -> None:
    layers = builtin.text_encoder.config.num_hidden_layers
    assert embedding(builtin, "a", clip_skip=layers).isfinite().all()
    with pytest.raises(InvalidRequest, match="clip_skip_model"):
        embedding(builtin, "a", clip_skip=layers + 1)


def test_weights_multiply_and_keep_the_mean(builtin: Any) -> None:
    """z' = z * w * mean(z) / mean(z * w), over one whole chunk, in float64."""
    plain = embedding(builtin, "a red star").double()
    weights = torch.ones(77, dtype=torch.float64)
    weights[2] = 1.4  # begin mark, a, red
    weighted = plain * weights[None, :, None]
    expected = weighted * plain.mean() / weighted.mean()
    found = embedding(builtin, "a (red:1.4) star").double()
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
    assert (found - plain).abs().max() > 0.1


def test_each_chunk_keeps_its_own_mean(builtin: Any) -> None:
    both = embedding(builtin, "a (red:1.4) star BREAK a blue boat")
    assert torch.equal(both[:, :77], embedding(builtin, "a (red:1.4) star"))
    assert torch.equal(both[:, 77:], embedding(builtin, "a blue boat"))


def test_brackets_that_come_to_one_change_nothing(builtin: Any) -> None:
    assert torch.equal(embedding(builtin, "a (red:1.0) star"), embedding(builtin, "a red star"))


def test_a_long_prompt_is_several_chunks(builtin: Any) -> None:
    words = LONG.split()
    assert len(builtin.tokenizer(LONG, add_special_tokens=False, verbose=False).input_ids) == len(words)
    found = embedding(builtin, LONG)
    assert found.shape[1] == 77 * 2
    first = embedding(builtin, " ".join(words[:75]))
    assert torch.equal(found[:, :77], first)
    assert torch.equal(found[:, 77:], embedding(builtin, " ".join(words[75:])))


def compel_embedding(pipeline: Any, prompt: str) -> Any:
    from compel import Compel

    compel = Compel(pipeline.tokenizer, pipeline.text_encoder, truncate_long_prompts=False)
    with torch.no_grad():
        return compel(prompt)


@pytest.mark.parametrize("prompt", ["a red star", LONG], ids=["short", "140 tokens"])
def test_agrees_with_compel_without_weights(builtin: Any, prompt: str) -> None:
    """Where the dialects coincide. Compel's weights blend with the empty prompt, so they are another thing."""
    torch.testing.assert_close(embedding(builtin, prompt), compel_embedding(builtin, prompt), rtol=1e-4, atol=1e-4)


def test_break_is_what_compel_calls_and(builtin: Any) -> None:
    found = embedding(builtin, "a red star BREAK a blue boat")
    expected = compel_embedding(builtin, '("a red star", "a blue boat").and()')
    torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_schedule_switches_at_its_step(builtin: Any) -> None:
    conditioning = encode(builtin.tokenizer, builtin.text_encoder, "[a star:a heart:0.3]", steps=10)
    star, heart = embedding(builtin, "a star"), embedding(builtin, "a heart")
    for step in range(1, 11):
        assert torch.equal(conditioning.at(step)[0][0], star if step <= 3 else heart)


def test_each_distinct_text_is_encoded_once(builtin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = builtin.text_encoder.forward
    monkeypatch.setattr(builtin.text_encoder, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    encoder = PromptEncoder(builtin.tokenizer, builtin.text_encoder)
    first = encoder.encode("[a star|a heart] AND a star", steps=20)
    assert len(calls) == 3  # star, heart, and the empty chunk
    again = encoder.encode("[a star|a heart] AND a star", steps=20)
    assert len(calls) == 3
    assert all(torch.equal(one[0], two[0]) for one, two in zip(first.at(2), again.at(2), strict=True))
    encoder.encode("a star", steps=20, clip_skip=2)
    assert len(calls) == 5
    encoder.forget()
    fresh = encoder.encode("[a star|a heart] AND a star", steps=20)
    assert len(calls) == 8
    assert all(torch.equal(one[0], two[0]) for one, two in zip(first.at(2), fresh.at(2), strict=True))


def test_memory_is_small(builtin: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    forward = builtin.text_encoder.forward
    monkeypatch.setattr(builtin.text_encoder, "forward", lambda *a, **k: calls.append(1) or forward(*a, **k))
    encoder = PromptEncoder(builtin.tokenizer, builtin.text_encoder, remembered=2)
    for text in ("a", "b", "a"):  # each pushes the one before the empty chunk out
        encoder.encode(text, steps=1)
    assert len(calls) == 4


def test_and_gives_weighted_entries(builtin: Any) -> None:
    conditioning = encode(builtin.tokenizer, builtin.text_encoder, "a star AND [a heart|a boat]:0.5", steps=4)
    assert [weight for _, weight in conditioning.at(2)] == [1, 0.5]
    assert torch.equal(conditioning.at(2)[1][0], embedding(builtin, "a boat"))


def test_a_pair_has_equal_token_counts_at_every_step(builtin: Any) -> None:
    options = {"steps": 4}
    positive = encode(builtin.tokenizer, builtin.text_encoder, f"[{LONG}:a star:2]", **options)
    negative = encode(builtin.tokenizer, builtin.text_encoder, "a boat", **options)
    empty = embedding(builtin, "")
    positive, negative = pair(positive, negative)
    for step in range(1, 5):
        assert positive.at(step)[0][0].shape == negative.at(step)[0][0].shape == (1, 154, empty.shape[2])
    assert torch.equal(negative.at(1)[0][0], torch.cat([embedding(builtin, "a boat"), empty], dim=1))
    assert torch.equal(positive.at(3)[0][0], torch.cat([embedding(builtin, "a star"), empty], dim=1))


def test_and_in_the_negative_prompt(builtin: Any) -> None:
    encoder = PromptEncoder(builtin.tokenizer, builtin.text_encoder)
    _, negative = encoder.encode_pair(*spoken("a star", "a AND b:0.5"), steps=2)
    assert torch.equal(negative.at(1)[0][0], embedding(builtin, "a and b:0.5"))
    with pytest.raises(InvalidRequest, match="negative_prompt: "):
        pair(encoder.encode("a", steps=1), encoder.encode("a AND b", steps=1))


@pytest.fixture(scope="module")
def sdxl() -> Any:
    """A pipeline of two tiny random text encoders; the second pads with "!" as SDXL's does."""
    from diffusers import EulerDiscreteScheduler, StableDiffusionXLPipeline
    from transformers import CLIPTextConfig, CLIPTextModel, CLIPTextModelWithProjection, CLIPTokenizer

    tokenizers = [CLIPTokenizer.from_pretrained(BUILTIN / "tokenizer", pad_token=pad) for pad in ("<|endoftext|>", "!")]
    torch.manual_seed(0)
    encoders = []
    for kind, width in ((CLIPTextModel, 16), (CLIPTextModelWithProjection, 24)):
        config = CLIPTextConfig(
            vocab_size=len(tokenizers[0]),
            hidden_size=width,
            intermediate_size=32,
            projection_dim=20,
            num_hidden_layers=3,
            num_attention_heads=2,
            eos_token_id=tokenizers[0].eos_token_id,
        )
        encoders.append(conditioned(kind(config).eval(), torch.arange(77)[None] + 400))
    return StableDiffusionXLPipeline(
        vae=None,
        text_encoder=encoders[0],
        text_encoder_2=encoders[1],
        tokenizer=tokenizers[0],
        tokenizer_2=tokenizers[1],
        unet=None,
        scheduler=EulerDiscreteScheduler(),
    )


def xl_encoder(sdxl: Any) -> PromptEncoder:
    return PromptEncoder((sdxl.tokenizer, sdxl.tokenizer_2), (sdxl.text_encoder, sdxl.text_encoder_2))


@pytest.mark.parametrize(("clip_skip", "diffusers_skip"), [(1, None), (2, None), (3, 1)])
def test_sdxl_is_what_diffusers_gives(sdxl: Any, clip_skip: int, diffusers_skip: int | None) -> None:
    """SDXL was trained on the last layer but one, so clip skip 1 and 2 both mean that, as in A1111 and Forge."""
    with torch.no_grad():
        expected, _, pooled, _ = sdxl.encode_prompt(
            "a red star", device="cpu", do_classifier_free_guidance=False, clip_skip=diffusers_skip
        )
    found = xl_encoder(sdxl).encode("a red star", steps=1, clip_skip=clip_skip)
    assert found.at(1)[0][0].shape == (1, 77, 16 + 24)
    assert torch.equal(found.at(1)[0][0], expected)
    assert torch.equal(found.pooled(1)[0], pooled)


def test_sdxl_empty_negative_prompt_is_zeros_as_in_diffusers(sdxl: Any) -> None:
    with torch.no_grad():
        expected = sdxl.encode_prompt("a red star", device="cpu", do_classifier_free_guidance=True)
    positive, negative = xl_encoder(sdxl).encode_pair(*spoken("a red star", ""), steps=1)
    found = (positive.at(1)[0][0], negative.at(1)[0][0], positive.pooled(1)[0], negative.pooled(1)[0])
    assert all(torch.equal(one, two) for one, two in zip(found, expected, strict=True))


def test_sdxl_long_prompt_pools_the_first_chunk(sdxl: Any) -> None:
    encoder = xl_encoder(sdxl)
    positive, negative = encoder.encode_pair(*spoken(LONG, "a boat"), steps=1)
    assert positive.at(1)[0][0].shape == negative.at(1)[0][0].shape == (1, 154, 40)
    first = encoder.encode(" ".join(LONG.split()[:75]), steps=1)
    assert torch.equal(positive.pooled(1)[0], first.pooled(1)[0])


def test_a_parsed_prompt_can_be_passed(builtin: Any) -> None:
    prompt = parse("a AND b", composed=False)
    ((found, weight),) = encode(builtin.tokenizer, builtin.text_encoder, prompt, steps=3).at(3)
    assert weight == 1
    assert torch.equal(found, diffusers_embedding(builtin, "a AND b"))
