"""`python -m tools.train_builtin.card`: writes the judge's figures into the model card, between its two marks."""

import argparse
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

CARD = Path("pipelines/builtin/README.md")
FIGURES = Path("docs/builtin/figures.json")
BEGIN, END = "<!-- figures -->\n", "<!-- end of figures -->\n"
HEADLINE = "held-out"
# figure -> its name on the card, the target, what the prototype reached (80 prompts of its own world, its own judge)
MAIN = {
    "subject": ("subject", "95 %", "80 %"),
    "colour": ("colour", "97 %", "99 %"),
    "background": ("background", "97 %", "100 %"),
    "time": ("time of day", "97 %", "100 %"),
    "size": ("size", "97 %", "96 %"),
    "position": ("position", "97 %", "99 %"),
    "style": ("style", "88 %", "66 %"),
    "subject + colour + background": ("subject + colour + background", "92 %", "79 %"),
    "all seven": ("all seven", "75 %", "50 %"),
    "pixels: background colour": ("background colour, by pixels", "", "97 %"),
    "pixels: subject colour present": ("subject's colour present, by pixels", "", "94 %"),
}
ROW = ("subject", "colour", "background", "style", "subject + colour + background")
PAIR = {
    "subject": "left subject",
    "colour": "its colour",
    "second subject": "right subject",
    "second colour": "its colour",
    "both subjects, both colours": "all four right",
}


def text_of(figures: Mapping[str, Any]) -> str:
    """What stands between the marks. `figures`: the judge's file, all sections measured."""
    sections, ceilings = figures["sections"], figures["ceilings"]
    lines = [*_main(sections[HEADLINE], ceilings), ""]
    best = sorted(figures["subjects"].items(), key=lambda item: -item[1])
    lines += ["By subject: " + ", ".join(f"{name} {_percent(share)}" for name, share in best) + ".", ""]
    if (pair := sections.get("two subjects")) is not None:
        said = ", ".join(f"{name} {_percent(pair[key])}" for key, name in PAIR.items())
        lines += [f"Two subjects, {pair['n']} prompts: {said}.", ""]
    rows = {name: section for name, section in sections.items() if name not in {HEADLINE, "two subjects"}}
    lines += ["Where a row has few prompts, a difference of a few points is chance.", ""]
    lines += ["| | n | " + " | ".join(ROW) + " |", "|---" * (len(ROW) + 2) + "|"]
    for name, section in rows.items():
        lines.append(f"| {name} | {section['n']} | " + " | ".join(_percent(section[key]) for key in ROW) + " |")
    return "\n".join(lines) + "\n"


def _main(headline: Mapping[str, Any], ceilings: Mapping[str, Any]) -> list[str]:
    renders, decoded = ceilings["renders"], ceilings["renders through the VAE"]
    lines = [
        f"| of {headline['n']} prompts | target | prototype | this model | judge on renders | and through the VAE |",
        "|---|---|---|---|---|---|",
    ]
    for key, (name, target, prototype) in MAIN.items():
        shares = f"**{_percent(headline[key])}** | {_percent(renders[key])} | {_percent(decoded[key])}"
        lines.append(f"| {name} | {target} | {prototype} | {shares} |")
    return [*lines, "", f"VAE: {ceilings['VAE PSNR (dB)']} dB on the same pictures."]


def _percent(share: float) -> str:
    return f"{100 * share:.0f} %"


def written(card: str, figures: Mapping[str, Any]) -> str:
    """The card with these figures. Raises ValueError when it has lost its marks."""
    before, begin, rest = card.partition(BEGIN)
    _, end, after = rest.partition(END)
    if not begin or not end:
        raise ValueError(f"The card must hold the lines {BEGIN.strip()} and {END.strip()}.")
    return before + begin + text_of(figures) + end + after


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tools.train_builtin.card", description=__doc__)
    parser.add_argument("--card", type=Path, default=CARD)
    parser.add_argument("--figures", type=Path, default=FIGURES)
    options = parser.parse_args()
    figures = json.loads(options.figures.read_text(encoding="utf-8"))
    options.card.write_text(written(options.card.read_text(encoding="utf-8"), figures), encoding="utf-8")


if __name__ == "__main__":
    main()
