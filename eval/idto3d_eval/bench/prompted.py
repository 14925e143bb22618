"""Heads of validation people with and without a prompt, and what the held-out reader finds in them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from idto3d.errors import UserError
from idto3d.prompt import check_understood, parse_prompt
from idto3d_eval.bench.bars import Bar, write_figures
from idto3d_eval.bench.made_heads import Order, Told, conditioning_photos, make_head, sitter, staged
from idto3d_eval.bench.measured_heads import (
    Counted,
    Images,
    calibrated,
    count_identity,
    draw,
    fixed_views,
    person_reference,
    read_attributes,
    words_of,
)
from idto3d_eval.features import ScoringModels, load_scoring_models
from idto3d_eval.picture_grid import Cell, grid_png

# Ours: one for each group that a prompt can change, and one that asks for two at once.
PROMPTS = ("with a beard", "old", "bald", "dark skin", "long blond hair", "young")
FOUND, CHANGED, FALL = 0.8, 0.1, 0.15  # the bars of the issue that asked for text guidance


@dataclass(frozen=True)
class TextBench:
    """What is made: `people` of the validation set, each without and with each prompt."""

    people: int
    prompts: tuple[str, ...]
    steps: tuple[int, int]  # of stage 1 and 2
    loudness: float | None = None  # None: the generator's own
    seed: int = 0
    impostors: int = 20


@dataclass(frozen=True)
class ReadHead:
    """One head as the scoring networks see it; `words` is empty where no face was read."""

    person: str
    prompt: str  # "" for none
    asked: Mapping[str, str]  # group -> word
    words: Mapping[str, str]
    identity: Counted

    @property
    def has_asked(self) -> bool:
        """Whether every asked group reads as the asked word."""
        return all(self.words.get(group) == word for group, word in self.asked.items())

    def changed(self, plain: ReadHead) -> list[bool]:
        """For each group that was not asked for, whether it reads differently from the unprompted head."""
        groups = [group for group in (plain.words or self.words) if group not in self.asked]
        return [self.words.get(group) != plain.words.get(group) for group in groups]


@dataclass(frozen=True)
class TextFigures:
    """Bars over all prompts, and the heads that stand behind them."""

    bars: tuple[Bar, ...]
    heads: tuple[ReadHead, ...]

    def rows(self) -> list[dict[str, str]]:
        """One row a prompt."""
        plain = {head.person: head for head in self.heads if not head.prompt}
        rows = []
        for prompt in dict.fromkeys(head.prompt for head in self.heads if head.prompt):
            heads = [head for head in self.heads if head.prompt == prompt]
            figures = {
                "asked found": found_share(heads),
                "found, where it was not": found_share(heads, plain),
                "unasked changed": changed_share(heads, plain),
                "identity falls": identity_fall(heads, plain),
            }
            shown = {
                name: "undefined" if math.isnan(value) else f"{value:.2f}" for name, value in figures.items()
            }
            rows.append({"prompt": prompt, **shown})
        return rows


def run_text(bench: TextBench, root: Path, weights: Path, told: Told | None = None) -> TextFigures:
    """Makes the heads that are not there yet, reads all, and writes `text.json` and `text.png` into `root`.

    Args:
        bench: what to make.
        root: folder of the heads and figures.
        weights: folder of weights.
        told: called with what is being done, steps done and steps in all.

    Raises:
        UserError: a prompt that the embedded vocabulary does not know.
    """
    asked = {text: _asked(text) for text in bench.prompts}
    models, views = load_scoring_models(weights), fixed_views()
    heads: list[ReadHead] = []
    rows: list[list[Cell]] = []
    for index in range(bench.people):
        person = sitter(index)
        name = f"references of {person.id}"
        reference = person_reference(
            person, ["neutral"], root, models, bench.impostors, told and _named(told, name)
        )
        row = [Cell(_photo(conditioning_photos(person, root)[0]), person.id)]
        for prompt in ("", *bench.prompts):
            order = Order(
                index,
                prompt=prompt,
                loudness=bench.loudness if prompt else None,
                geometry_steps=bench.steps[0],
                texture_steps=bench.steps[1],
                seed=bench.seed,
            )
            what = f"{person.id} {prompt or 'as they are'}"
            images = _renders(make_head(order, root, weights, told and staged(told, what)))
            words = words_of(read_attributes(images, views, models))
            counted = count_identity(images, reference, models, {"neutral": 1.0})
            heads.append(ReadHead(person.id, prompt, asked.get(prompt, {}), words, counted))
            row.append(Cell(images[0], prompt or "no prompt"))
        rows.append(row)
    figures = TextFigures(text_bars(heads), tuple(heads))
    root.mkdir(parents=True, exist_ok=True)
    (root / "text.png").write_bytes(grid_png(rows))
    write_figures(
        root / "text.json",
        figures.bars,
        bench=asdict(bench),
        prompts=figures.rows(),
        heads=[{**asdict(head), "found": head.has_asked} for head in heads],
        reader_on_true_heads=reader_accuracy(range(bench.people), models),
        networks=models.cards,
    )
    return figures


def text_bars(heads: Sequence[ReadHead]) -> tuple[Bar, ...]:
    """The three bars over all prompted heads."""
    plain = {head.person: head for head in heads if not head.prompt}
    prompted = [head for head in heads if head.prompt]
    count = f"{len(prompted)} heads of {len(plain)} people"
    groups = sum(len(head.changed(plain[head.person])) for head in prompted)
    return (
        Bar("asked attribute found", found_share(prompted), FOUND, least=True, note=count),
        Bar("unasked attributes changed", changed_share(prompted, plain), CHANGED, note=f"{groups} groups"),
        Bar("calibrated identity falls", identity_fall(prompted, plain), FALL, note=count),
    )


def found_share(heads: Sequence[ReadHead], plain: Mapping[str, ReadHead] | None = None) -> float:
    """Share of heads that read as asked; with `plain`, of those whose person did not before."""
    if plain is not None:
        heads = [head for head in heads if not _already(head, plain[head.person])]
    return float(np.mean([head.has_asked for head in heads])) if heads else math.nan


def changed_share(heads: Sequence[ReadHead], plain: Mapping[str, ReadHead]) -> float:
    """Share of the groups nobody asked for that read differently than without the prompt."""
    changes = [change for head in heads for change in head.changed(plain[head.person])]
    return float(np.mean(changes)) if changes else math.nan


def identity_fall(heads: Sequence[ReadHead], plain: Mapping[str, ReadHead]) -> float:
    """Calibrated identity of the people's unprompted heads minus that of their prompted ones."""
    before = calibrated([plain[head.person].identity for head in heads])
    return before - calibrated([head.identity for head in heads])


def reader_accuracy(people: Sequence[int], models: ScoringModels) -> dict[str, float]:
    """Share of the true heads that the scoring reader reads right, by group: what it allows at best."""
    from idto3d.population.truth import true_mesh

    views = fixed_views()
    right: dict[str, list[bool]] = {}
    for index in people:
        person = sitter(index)
        read = words_of(read_attributes(draw(true_mesh(person, "neutral"), views), views, models))
        for group, word in words_of(person.attributes).items():
            right.setdefault(group, []).append(read.get(group) == word)
    return {group: float(np.mean(hits)) for group, hits in right.items()}


def _already(head: ReadHead, plain: ReadHead) -> bool:
    return all(plain.words.get(group) == word for group, word in head.asked.items())


def _asked(text: str) -> Mapping[str, str]:
    prompt = parse_prompt(text)
    if prompt is None:
        raise UserError("Found an empty prompt, expected words; leave it out.")
    check_understood(prompt)
    return prompt.words


def _renders(asset: Path) -> Images:
    from idto3d.asset import read_expression

    return draw(read_expression(asset, "neutral"), fixed_views())


def _photo(path: Path) -> NDArray[np.uint8]:
    from idto3d.identity.photo import read_photo

    return read_photo(path)


def _named(told: Told, what: str) -> Callable[[int, int, str], None]:
    return lambda done, total, _: told(what, done, total)
