"""The command line that the trainings of recognisers and readers share."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Iterable
from pathlib import Path


def run_training(train: Callable[..., Path], names: Iterable[str], description: str | None) -> None:
    """Parse `NAME --data FOLDER --out FOLDER …`, train, and say what was written.

    Args:
        train: called with name, data and out folder, and by keyword minutes, seed, resume, steps,
            validation_folder and threads.
        names: what NAME may be.
        description: for `--help`.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("name", choices=list(names))
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--validation", type=Path)
    parser.add_argument("--minutes", type=float, default=11.0)
    parser.add_argument("--steps", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--fresh", action="store_true", help="do not resume from the checkpoint")
    a = parser.parse_args()
    path = train(
        a.name, a.data, a.out, minutes=a.minutes, seed=a.seed, resume=not a.fresh, steps=a.steps,
        validation_folder=a.validation, threads=a.threads,
    )  # fmt: skip
    print(f"wrote {path}")
