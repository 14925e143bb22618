"""Answers as files for other tools: a table in three formats, and decided votes as choix takes them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from idto3d.whole_file import write_whole
from idto3d_eval.preference.votes import choix_pairs, votes_from

if TYPE_CHECKING:
    import polars

CSV, JSON, PARQUET, CHOIX = "answers.csv", "answers.json", "answers.parquet", "choix.json"


def export_answers(answers: polars.DataFrame, methods: Sequence[str], out: Path) -> list[Path]:
    """Write the answers of a study, and return the files.

    `choix.json` holds, for each question, the methods and [winner, loser] by place among them; attention
    pairs, repeats and ties are not in it.

    Args:
        answers: as `answers_table` gives them.
        methods: all that are compared.
        out: the folder, made where it is not there.
    """
    out.mkdir(parents=True, exist_ok=True)
    answers.write_csv(out / CSV)
    answers.write_json(out / JSON)
    answers.write_parquet(out / PARQUET)
    names = answers["question"].unique(maintain_order=True).to_list()
    votes = {name: votes_from(answers.filter(answers["question"] == name), methods) for name in names}
    pairs = {name: choix_pairs(own) for name, own in votes.items()}
    write_whole(out / CHOIX, json.dumps({"methods": list(methods), "pairs": pairs}) + "\n")
    return [out / name for name in (CSV, JSON, PARQUET, CHOIX)]
