"""Names that every file system takes, whatever a prompt holds."""

from __future__ import annotations

import unicodedata
from dataclasses import replace
from datetime import date, datetime
from pathlib import PurePosixPath, PureWindowsPath
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from pipelines.errors import InvalidRequest
from webui.archive.naming import DEFAULT_PATTERN, NAME_LIMIT, TOKENS, NameFacts, NamePattern, cut, is_reserved, slug

FACTS = NameFacts(
    number=42,
    settings={
        "seed": 450910884,
        "prompt": "a red star on a blue field",
        "model": "v1-5-pruned.safetensors",
        "sampler": "DPM++ 2M",
        "steps": 20,
        "guidance": 7.5,
        "width": 512,
        "height": 768,
        "negative_prompt": "blurry",
        "schedule": "karras",
        "strength": 0.75,
        "clip_skip": 2,
        "batch_size": 4,
        "vae": "vae-ft-mse.safetensors",
    },
    made_at=datetime(2026, 11, 20, 14, 5, 9),
    date=date(2026, 11, 20),
    batch_number=3,
    model_sha256="6ce0161689b3853acaa03779ec93eafe75a02f4ced659bee03f50797806fa2fa",
    pixels_sha256="0123456789abcdef" * 4,
)


def facts_with(number: int = 42, **settings: Any) -> NameFacts:
    return replace(FACTS, number=number, settings={**FACTS.settings, **settings})


# docs.microsoft.com "Naming Files, Paths, and Namespaces", written out here and not taken from the code
DEVICES = ["CON", "PRN", "AUX", "NUL"] + [f"{port}{n}" for port in ("COM", "LPT") for n in "0123456789¹²³"]


def assert_legal_everywhere(name: str) -> None:
    """The rules of NTFS, APFS and ext4 for one path component."""
    assert 0 < len(name.encode()) + len(".part") <= 200
    assert not set(name) & set('<>:"/\\|?*')
    assert all(ord(character) >= 32 and ord(character) != 127 for character in name)
    assert not any(unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp") for character in name)
    assert name[-1] not in " ."
    assert name[0] not in " ."
    assert name.split(".")[0].rstrip().upper() not in DEVICES
    assert unicodedata.normalize("NFC", name) == name
    assert PurePosixPath("folder", name).parts == ("folder", name)
    assert PureWindowsPath("folder", name).parts == ("folder", name)


def test_the_promised_name() -> None:
    assert NamePattern().name(FACTS) == "00042-450910884_a_red_star_on_a_blue_field.png"
    assert NamePattern().name(FACTS, prefix="grid-", suffix=".jpg").startswith("grid-00042-450910884_a_red")


def test_every_token() -> None:
    pattern = NamePattern("[date] [number] [seed] [model] [sampler] [steps] [guidance] [width]x[height] [prompt]")
    assert pattern.name(FACTS) == (
        "2026-11-20 00042 450910884 v1-5-pruned_safetensors DPM_2M 20 7.5 512x768 a_red_star_on_a_blue_field.png"
    )


# hashes by `printf %s TEXT | sha256sum`: "a red star on a blue field", "blurry", and both with a space between
@pytest.mark.parametrize(
    ("token", "told"),
    [
        ("[cfg]", "7.5"),
        ("[model_name]", "v1-5-pruned_safetensors"),
        ("[model_hash]", "6ce01616"),
        ("[model_hash<10>]", "6ce0161689"),
        ("[vae_filename]", "vae-ft-mse_safetensors"),
        ("[scheduler]", "karras"),
        ("[sampler_scheduler]", "DPM_2M_karras"),
        ("[denoising]", "0.75"),
        ("[clip_skip]", "2"),
        ("[batch_number]", "3"),
        ("[batch_size]", "4"),
        ("[datetime]", "20261120140509"),
        ("[datetime<%Y-%m-%d %H:%M>]", "2026-11-20_14_05"),
        ("[prompt_spaces]", "a red star on a blue field"),
        ("[prompt_hash]", "a2bbc75e"),
        ("[negative_prompt_hash<4>]", "a51b"),
        ("[full_prompt_hash<16>]", "daec6a4b99b7a76c"),
        ("[image_hash]", "01234567"),
        ("[hasprompt<Star><moon|none><sun>]", "Starnone"),
        # not ours: as typed
        ("[styles]", "[styles]"),
        ("[user]", "[user]"),
        ("[Seed]", "[Seed]"),
        ("[hasprompt]", "[hasprompt]"),
        ("[]", "[]"),
    ],
)
def test_tokens_of_a1111(token: str, told: str) -> None:
    assert NamePattern(f"[number] {token}").name(FACTS) == f"00042 {told}.png"


def test_prompt_words_are_eight_and_all_prompt_tokens_share_the_room() -> None:
    facts = facts_with(prompt="one two, three-four five! six seven (eight) nine")
    assert NamePattern("[number] [prompt_words]").name(facts) == "00042 one two three four five six seven eight.png"
    name = NamePattern("[number] [prompt] [prompt_spaces]").name(facts_with(prompt="word " * 60))
    assert_legal_everywhere(name)
    assert NamePattern("[number] [denoising]").name(facts_with(strength=None)) == "00042.png"


@pytest.mark.fault(21)
@pytest.mark.parametrize(
    ("prompt", "expected"),
    [
        ("", ""),
        ("...", ""),
        ("../../etc/passwd", "etc_passwd"),
        (r"C:\Windows\system32", "C_Windows_system32"),
        ("a cat, (sitting:1.2), don't \t\n blur", "a_cat_sitting_1_2_dont_blur"),
        ("🙂 smile 👩‍👩‍👧 ❤️ 1️⃣", "smile_1"),
        ("一只红色的猫，在月亮上", "一只红色的猫_在月亮上"),
        ("\u202egnp.exe\u2066 \u200bx", "gnp_exe_x"),
        ("cafe\u0301", "caf\u00e9"),
        ("\u0301\u0301a", "a"),
        ("a\u0000b\u009fc", "a_b_c"),
        ("\u3164\u3164", ""),
        ("flow\u200der \u2066pot\u2069", "flower_pot"),
        ("cafe\u200d\u0301", "caf\u00e9"),
        ("Ελληνικά привет", "Ελληνικά_привет"),
    ],
)
def test_slugs(prompt: str, expected: str) -> None:
    assert slug(prompt) == expected


def test_a_prompt_without_letters_leaves_number_and_seed() -> None:
    assert NamePattern().name(facts_with(prompt="🙂!")) == "00042-450910884.png"


def test_long_prompts_are_cut_at_bytes_not_inside_a_character() -> None:
    name = NamePattern().name(facts_with(prompt="星" * 300))
    assert len(name.encode()) + len(".part") in range(198, 201)
    assert set(name.removeprefix("00042-450910884_").removesuffix(".png")) == {"星"}
    assert cut("é" * 3, 5) == "éé"
    assert slug("ab cd", 3) == "ab"
    # b with a ring below has no composed form: mark and letter stay together
    assert cut("ab\u0325", 3) == "a"


@pytest.mark.parametrize("name", ["CON", "con.txt", "nul", "COM1.tar.gz", "lpt9.png", "COM¹.png", "aux .png"])
def test_device_names_are_known(name: str) -> None:
    assert is_reserved(name)
    assert not is_reserved(name.replace(name[0], "_", 1))


@pytest.mark.fault(21)
def test_a_pattern_cannot_make_a_device_name() -> None:
    assert NamePattern("[prompt].[number]").name(facts_with(prompt="con")) == "_con.00042.png"


@pytest.mark.attack(5)
@pytest.mark.parametrize(
    ("pattern", "code", "values"),
    [
        ("[number][datetime<%H><UTC>]", "character", {"value": "'<'"}),
        ("[number][prompt_hash<17>]", "character", {"value": "'<'"}),
        ("[number][model][model_name][vae_filename][hasprompt<a>]", "tokens", {"limit": 150, "value": 164}),
        ("[seed]_[prompt]", "number", {}),
        ("", "number", {}),
        ("[number][number]", "twice", {"token": "[number]"}),
        ("../[number]", "character", {"value": "'/'"}),
        ("[number]\\x", "character", {"value": r"'\\'"}),
        ("[number]:x", "character", {"value": "':'"}),
        ("[number", "number", {"value": "[number"}),
        ("[number]\u202e", "character", {}),
        ("[number]🙂", "character", {}),
        (".[number]", "begin", {}),
        ("[number]" + "x" * 41, "words", {"limit": 40}),
    ],
)
def test_bad_patterns_are_refused_by_their_rule(pattern: str, code: str, values: dict[str, object]) -> None:
    with pytest.raises(InvalidRequest) as caught:
        NamePattern(pattern)
    assert caught.value.note.code == f"pattern_{code}"
    assert values.items() <= caught.value.note.values.items()
    assert caught.value.field == "pattern"


def test_numbers_are_found_again() -> None:
    assert NamePattern().number_in("00042-450910884_a.png") == 42
    assert NamePattern().number_in("grid-00042-450910884_a.png") == 42
    assert NamePattern().number_in("123456-1_a.png") == 123456
    assert NamePattern().number_in("holiday.png") is None
    assert NamePattern("[seed] [number]").number_in("450910884 00042.png") == 42


TEXTS = st.one_of(
    st.text(max_size=300),
    st.text(alphabet="星 e\u0301\u0325.🙂\u202e_/-", max_size=300),
    st.sampled_from([*DEVICES, "con.", "aux .x"]),
)
PIECES = st.lists(
    st.sampled_from([f"[{token}]" for token in TOKENS if token not in ("number", "hasprompt")]), unique=True, max_size=4
)
PATTERNS = st.one_of(
    st.just(DEFAULT_PATTERN),
    st.builds(
        lambda before, after, mark: mark.join(["", *before, "[number]", *after]).lstrip(" ."),
        PIECES,
        st.just([]),
        st.sampled_from(["", "-", "_", " ", ".", "—"]),
    ),
)


@pytest.mark.fault(20, 21)
@settings(max_examples=400, deadline=None)
@given(PATTERNS, TEXTS, TEXTS, st.integers(0, 2**32 - 1), st.integers(1, 10**7), st.sampled_from(["", "grid-"]))
@example("[prompt].[number]", "nul", "m", 0, 1, "")
@example("[prompt][number]", "..", "m", 0, 1, "")
def test_any_prompt_gives_a_legal_name(
    pattern: str, prompt: str, model: str, seed: int, number: int, prefix: str
) -> None:
    facts = facts_with(prompt=prompt, model=model, seed=seed, number=number)
    parsed = NamePattern(pattern)
    name = parsed.name(facts, prefix=prefix)
    assert_legal_everywhere(name)
    assert name == NamePattern(pattern).name(facts, prefix=prefix)
    assert f"{number:05d}" in name


@settings(max_examples=200, deadline=None)
@given(TEXTS, st.integers(0, 2**32 - 1), st.integers(1, 10**7))
def test_the_number_of_any_default_name_is_found(prompt: str, seed: int, number: int) -> None:
    pattern = NamePattern()
    assert pattern.number_in(pattern.name(facts_with(prompt=prompt, seed=seed, number=number))) == number


@settings(max_examples=200, deadline=None)
@given(st.text(max_size=200), st.integers(0, NAME_LIMIT))
def test_slugs_keep_their_limit_and_are_stable(text: str, limit: int) -> None:
    words = slug(text, limit)
    assert len(words.encode()) <= limit
    assert slug(words, limit) == words
