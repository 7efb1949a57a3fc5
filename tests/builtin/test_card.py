"""The model card tells the figures that were measured, and not others."""

import json
from pathlib import Path

import pytest

from tools.train_builtin.card import CARD, FIGURES, text_of, written

ROOT = Path(__file__).resolve().parents[2]


def test_the_card_has_the_figures_of_the_file() -> None:
    card = (ROOT / CARD).read_text(encoding="utf-8")
    figures = json.loads((ROOT / FIGURES).read_text(encoding="utf-8"))
    assert written(card, figures) == card
    style = figures["sections"]["held-out"]["style"]
    assert f"| style | 88 % | 66 % | **{round(100 * style)} %** |" in card


def test_a_card_without_its_marks_is_refused() -> None:
    figures = json.loads((ROOT / FIGURES).read_text(encoding="utf-8"))
    with pytest.raises(ValueError, match="must hold the lines"):
        written("# A card", figures)
    assert "By subject: " in text_of(figures)
