"""One head made again and again: to the bit with the pinned thread count, and how far apart with others."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from idto3d.errors import UserError
from idto3d_eval.bench.bars import Bar, write_figures
from idto3d_eval.bench.made_heads import Order, make_head_apart, sitter
from idto3d_eval.bench.measured_heads import calibrated, count_identity, draw, fixed_views, person_reference
from idto3d_eval.features import load_scoring_models

Told = Callable[[str, int, int], None]
SHIFT = 0.03  # calibrated identity that another thread count may move (design: randomness is threaded)


def thread_counts(text: str) -> tuple[int, ...]:
    """Thread counts from a text such as "1,2".

    Raises:
        UserError: anything but positive whole numbers.
    """
    parts = [part.strip() for part in text.split(",")]
    if not all(part.isdigit() and int(part) > 0 for part in parts):
        raise UserError(f"Found thread counts {text!r}, expected positive whole numbers such as 1,2.")
    return tuple(dict.fromkeys(int(part) for part in parts))


def compare_repeats(
    order: Order,
    threads: Sequence[int],
    root: Path,
    weights: Path,
    impostors: int,
    told: Told | None = None,
) -> tuple[Bar, ...]:
    """Make the head twice at the first thread count and once at each other, compare, and write the figures.

    Args:
        order: which head.
        threads: thread counts.
        root: folder of the heads; `determinism.json` is written into it.
        weights: folder of weights.
        impostors: true heads behind the floor.
        told: called with what is being done, heads done and heads in all.
    """
    first = replace(order, threads=threads[0])
    orders = [first, replace(first, repeat=1), *(replace(order, threads=count) for count in threads[1:])]
    heads = []
    for number, one in enumerate(orders):
        heads.append(make_head_apart(one, root, weights))
        if told is not None:
            told("heads", number + 1, len(orders))
    again = differing_files(heads[0], heads[1])
    bars = [Bar("files that differ, same seed twice", float(len(again)), 0.0, note=", ".join(again))]
    identities = _identities(order, heads, root, weights, impostors)
    for one, head, identity in zip(orders[2:], heads[2:], identities[2:], strict=True):
        apart = farthest(heads[0], head)
        bars.append(
            Bar(
                f"calibrated identity moves, {one.threads} threads for {threads[0]}",
                abs(identity - identities[0]),
                SHIFT,
                note=f"vertices move by up to {apart:.3f} mm"
                if apart is not None
                else "another number of vertices",
            )
        )
    write_figures(
        root / "determinism.json", bars, order=asdict(order), threads=list(threads), calibrated=identities
    )
    return tuple(bars)


def differing_files(first: Path, second: Path) -> list[str]:
    """Names of the GLB files whose bytes differ, or that only one asset has."""
    names = sorted({path.name for asset in (first, second) for path in asset.glob("*.glb")})
    return [name for name in names if _bytes(first / name) != _bytes(second / name)]


def farthest(first: Path, second: Path) -> float | None:
    """The largest distance, in mm, between one vertex in two heads; None where their faces differ."""
    from idto3d.asset import read_expression, read_manifest

    largest = 0.0
    for name in read_manifest(first).expressions:
        one, other = (read_expression(asset, name) for asset in (first, second))
        if not np.array_equal(one.faces, other.faces):
            return None
        largest = max(largest, float(np.linalg.norm(one.vertices - other.vertices, axis=1).max()))
    return largest


def _identities(
    order: Order, heads: Sequence[Path], root: Path, weights: Path, impostors: int
) -> list[float]:
    """Calibrated identity of each head over all its expressions."""
    from idto3d.asset import read_expression

    models, views = load_scoring_models(weights), fixed_views()
    reference = person_reference(sitter(order.person), order.expressions, root, models, impostors)
    return [
        calibrated(
            [
                count_identity(draw(read_expression(head, name), views), reference, models, {name: 1.0})
                for name in order.expressions
            ]
        )
        for head in heads
    ]


def _bytes(path: Path) -> bytes:
    return path.read_bytes() if path.is_file() else b""
