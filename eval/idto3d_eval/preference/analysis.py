"""Everything that a study's votes say, written beside the study and into the run that it compares.

Raters who answer without looking are found first; the headline leaves them out, and the result with them
stands beside it, so that a reader sees what leaving them out did.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from idto3d.errors import UserError
from idto3d.whole_file import write_whole
from idto3d_eval.figures import plain
from idto3d_eval.preference.agreement import agreement
from idto3d_eval.preference.answers import answers_table
from idto3d_eval.preference.database.connection import connect, database_url
from idto3d_eval.preference.kept import SCHEMA_VERSION
from idto3d_eval.preference.question_result import question_result
from idto3d_eval.preference.reliability import CarelessRaters, Reliability, careless_raters, reliability
from idto3d_eval.preference.run_metrics import MetricRows, read_metrics
from idto3d_eval.preference.study import ANALYSIS, ANALYSIS_TEXT, ANSWERS, PREFERENCES, Study, read_study
from idto3d_eval.preference.trials import ATTENTION, PAIR, REPEAT
from idto3d_eval.run_folder import SCORES, SUMMARY

if TYPE_CHECKING:
    import polars

ALL = "all questions"
DRAWS, LEVEL = 1000, 0.95
Plain = dict[str, Any]


def analyse_study(
    folder: Path,
    url: str | None = None,
    run: Path | None = None,
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
) -> Plain:
    """Analyse the votes so far, and write the answers, the analysis and its text.

    Args:
        folder: of the study.
        url: of its database; SQLite in the folder by default.
        run: the folder of the run that it compares; where the study says by default.
        draws, seed, level: of the intervals.

    Returns:
        The analysis, as `analysis.json` and the run's `preferences.json` hold it.

    Raises:
        UserError: no study, no database, or no votes yet.
    """
    from idto3d_eval.preference.analysis_text import markdown

    study = read_study(folder)
    answers = answers_table(connect(database_url(folder, url)))
    compared = run if run is not None else (folder / study.run_folder).resolve()
    there = study_run(compared)
    metrics = read_metrics(compared) if there else []
    found = analysis_of(answers, study, metrics, draws, seed, level)
    answers.write_parquet(folder / ANSWERS)
    text = json.dumps(found, indent=1, ensure_ascii=False, allow_nan=False) + "\n"
    write_whole(folder / ANALYSIS, text)
    write_whole(folder / ANALYSIS_TEXT, markdown(found))
    if there:
        write_whole(compared / PREFERENCES, text)
    return found


def study_run(folder: Path) -> bool:
    """Whether a finished run lies there, which takes up what people prefer."""
    return (folder / SUMMARY).is_file() and (folder / SCORES).is_file()


def analysis_of(
    answers: polars.DataFrame,
    study: Study,
    metrics: Sequence[MetricRows] = (),
    draws: int = DRAWS,
    seed: int = 0,
    level: float = LEVEL,
) -> Plain:
    """The analysis of a table of answers.

    Args:
        answers: as `answers_table` gives them.
        study: that they belong to.
        metrics: of its run, to be held against the votes.
        draws, seed, level: of the intervals.

    Raises:
        UserError: there are no votes on pairs.
    """
    if not (answers["kind"] == PAIR).any():
        raise UserError(
            "Found no votes on pairs, expected some to analyse; wait until raters have answered, as study "
            "show tells."
        )
    careless = careless_raters(answers, study.answers)
    kept = answers.filter(~answers["rater"].is_in(list(careless.flagged)))
    if not (kept["kind"] == PAIR).any():
        raise UserError(
            f"Found all {len(careless.raters)} raters answering without looking, expected some who look; see "
            "their attention pairs by study export."
        )
    names = [name for name in study.questions if name in set(answers["question"])]
    asked = names if len(names) == 1 else [*names, ALL]

    def results(table: polars.DataFrame) -> list[Plain]:
        return [question_result(_of(table, name), name, study.methods, draws, seed, level) for name in asked]

    found = {
        "schema_version": SCHEMA_VERSION,
        "title": study.title,
        "run": study.run,
        "level": level,
        "scheduling": study.scheduling,
        "counts": {
            "raters": answers["rater"].n_unique(),
            "left_out": len(careless.flagged),
            "identities": answers.filter(answers["kind"] == PAIR)["identity"].n_unique(),
            **{kind: int((answers["kind"] == kind).sum()) for kind in (PAIR, ATTENTION, REPEAT)},
        },
        "questions": results(kept),
        "with_everyone": results(answers) if careless.flagged else [],
        "reliability": [{"question": name, **_agreed(reliability(_of(kept, name)))} for name in asked],
        "left_out": _left_out(careless, reliability(answers)),
        "agreement": [
            {
                "question": name,
                "metrics": agreement(_of(kept, name), study.methods, metrics, draws, seed, level),
            }
            for name in asked
            if metrics and (_of(kept, name)["kind"] == PAIR).any()
        ],
    }
    told: Plain = plain(found)
    return told


def _of(answers: polars.DataFrame, question: str) -> polars.DataFrame:
    return answers if question == ALL else answers.filter(answers["question"] == question)


def _agreed(found: Reliability) -> Plain:
    return {
        "alpha": found.alpha,
        "units": found.units,
        "attention": found.attention,
        "passed": found.passed,
        "repeats": found.repeats,
        "consistent": found.consistent,
    }


def _left_out(careless: CarelessRaters, everyone: Reliability) -> list[Plain]:
    """Who was left out, how sure that is, and what each of them did."""
    sure = dict(zip(careless.raters, careless.posterior.tolist(), strict=True))
    return [
        {"careless": sure[row["rater"]], **row}
        for row in everyone.by_rater.iter_rows(named=True)
        if row["rater"] in careless.flagged
    ]
