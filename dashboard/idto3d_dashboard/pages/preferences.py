"""Preferences: what people prefer of a run's heads, and which metrics prefer the same."""

from __future__ import annotations

from collections.abc import Mapping
from html import escape
from typing import Any

import polars

from idto3d_dashboard.choice import NO_METHODS, Choice
from idto3d_dashboard.drawing import preference_charts as charts
from idto3d_dashboard.drawing.tables import html_table
from idto3d_dashboard.sheet import Sheet, in_columns
from idto3d_eval.preference import analysis_text as text
from idto3d_eval.preference.kept import read_preferences

TITLE, PATH = "Preferences", "preferences"
Entry = Mapping[str, Any]
Table = tuple[list[str], list[list[str]]]


def show(choice: Choice, sheet: Sheet) -> None:
    """The page."""
    sheet.title(TITLE)
    found = read_preferences(choice.run.folder)
    if found is None:
        _put_how(choice.run.name, sheet)
        return
    counts = found["counts"]
    sheet.text(
        f"{counts['raters']} raters gave {counts['pair']} votes on pairs of heads of {counts['identities']} "
        f"people. {text.left_out_sentence(found)}"
    )
    if choice.methods:
        _put_strengths(found, choice, sheet)
        sheet.alone(lambda: _put_questions(found, choice, sheet))
    else:
        sheet.empty(NO_METHODS)
    _put_reliability(found, sheet)


def _put_how(run: str, sheet: Sheet) -> None:
    """What makes a study, in three commands."""
    sheet.empty(f"No study of people's preferences has been analysed for {run} yet. Three commands make one:")
    sheet.code(
        f"idto3d-eval study create {run} --out studies/{run}\n"
        f"idto3d-eval study serve studies/{run}\n"
        f"idto3d-eval study analyse studies/{run}"
    )
    sheet.note(
        "The first plans who sees which pairs and writes a link for each rater; the second serves the pages "
        "that they open; the third reads their votes, as often as wanted, and this page shows what they say."
    )


def _put_strengths(found: Entry, choice: Choice, sheet: Sheet) -> None:
    sheet.heading("Strengths")
    sheet.note(
        f"Log-odds by Davidson's model: what is stronger by 1 wins 73 of 100 decided votes. Whiskers: "
        f"{found['level']:.0%} intervals over raters and people. All votes count, whatever is chosen here."
    )
    for result, place in zip(found["questions"], in_columns(sheet, 2), strict=False):
        with place:
            name = f"strengths_{_plain(result['question'])}"
            sheet.chart(*charts.strength_chart(result, choice.run.labels, choice.methods), name)


def _put_questions(found: Entry, choice: Choice, sheet: Sheet) -> None:
    """One question at a time where a reader can choose; all of them where not."""
    sheet.heading("Question by question")
    names = [result["question"] for result in found["questions"]]
    if sheet.live and len(names) > 1:
        names = [sheet.choose("Question", names, "question", side_by_side=True)]
    for result in found["questions"]:
        if result["question"] in names:
            _put_question(result, choice, sheet)
    if not found["agreement"]:
        return
    sheet.heading("Which metrics prefer what people prefer")
    sheet.note(
        "Share of the decided votes whose preferred head is the metric's better one, equal values counted "
        "half; the dashed line is chance. Full marks are the headline. The best of many metrics looks better "
        "than it would again."
    )
    for one in found["agreement"]:
        if one["question"] in names:
            _put_metrics(one, sheet)


def _put_question(result: Entry, choice: Choice, sheet: Sheet) -> None:
    if not result["methods"]:
        sheet.empty(f"{result['question'].capitalize()}: {result['reason']}.")
        return
    left, right = sheet.columns(2)
    with left:
        sheet.chart(*charts.win_chart(result, choice.methods), f"won_{_plain(result['question'])}")
    with right:
        for line in text.remarks(result):
            sheet.note(line)
    heads, rows = text.strength_table(result)
    _put_table(sheet, (heads, [row for row in rows if row[0] in choice.methods]))


def _put_metrics(one: Entry, sheet: Sheet) -> None:
    shown, name = text.foremost(one["metrics"]), _plain(one["question"])
    if not shown:
        sheet.empty(f"{one['question'].capitalize()}: no metric has values on enough of these heads.")
        return
    figure, _ = charts.accuracy_chart(one["question"], shown)
    sheet.chart(figure, None, f"accuracy_{name}")
    for line in text.without_intervals(one["metrics"]):
        sheet.note(line)
    with sheet.folded(f"All {len(one['metrics'])} metrics, with Kendall's tau of methods"):
        ordered = [*text.by_accuracy(one["metrics"]), *text.unread(one["metrics"])]
        sheet.table(charts.agreement_rows(ordered), f"agreement_{name}")


def _put_reliability(found: Entry, sheet: Sheet) -> None:
    sheet.heading("Reliability")
    sheet.note(
        "Krippendorff's alpha is 1 where raters agree and 0 where they agree as by chance; it is low where "
        "methods are close, too. Attention pairs have a right answer; repeats show a pair again, swapped."
    )
    _put_table(sheet, text.reliability_table(found), "reliability")
    if not found["left_out"]:
        return
    with sheet.folded(f"Raters left out, {len(found['left_out'])}, and the result with everyone"):
        _put_table(sheet, text.left_out_table(found), "left_out")
        _put_table(sheet, text.everyone_table(found), "with_everyone", texts=(0, 1))


def _put_table(sheet: Sheet, table: Table, name: str = "", texts: tuple[int, ...] = (0,)) -> None:
    """A table as it is read; with its download where it has a name."""
    heads, rows = table
    sheet.html(html_table(heads, [[_cell(cell) for cell in row] for row in rows], texts))
    if name:
        sheet.download(polars.DataFrame(rows, dict.fromkeys(heads, polars.String), orient="row"), name)


def _cell(text: str) -> str:
    """Words may go on in the next line; intervals and ranges stay in one piece."""
    return escape(text) if text[:1].isalpha() else f'<span style="white-space:nowrap">{escape(text)}</span>'


def _plain(question: str) -> str:
    return question.replace(" ", "_")
