"""An analysis of a study as Markdown, for an issue, a paper's appendix, or a reader without the dashboard."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from idto3d_eval.figures_text import NONE, number

Entry = Mapping[str, Any]
FOREMOST = 12  # metrics that a text lists


def markdown(found: Entry) -> str:
    """The whole analysis.

    Args:
        found: as `analysis.json` holds it.
    """
    counts = found["counts"]
    parts = [
        f"# {found['title']}: what people prefer of {found['run']}",
        f"{counts['raters']} raters, {counts['pair']} votes on pairs of heads of {counts['identities']} "
        f"people, {counts['attention']} attention pairs, {counts['repeat']} repeats. "
        f"{left_out_sentence(found)}",
        f"Strengths are log-odds by Davidson's model, which has ties and a side; intervals of "
        f"{found['level']:.0%} over raters and people.",
    ]
    for result in found["questions"]:
        parts += [f"## {result['question'].capitalize()}", *question_parts(result)]
    parts += ["## Reliability", _table(*reliability_table(found))]
    if found["left_out"]:
        parts += ["## Raters left out", _table(*left_out_table(found))]
        parts += ["### Strengths with everyone", _table(*everyone_table(found))]
    for one in found["agreement"]:
        parts += [
            f"## Metrics beside people: {one['question']}",
            "Accuracy: share of decided votes whose preferred head is the metric's better one; 0.5 is "
            "chance. Many metrics are looked at; the best of many is better than it would be again.",
            _table(*agreement_table(foremost(one["metrics"]))),
            *without_intervals(one["metrics"]),
        ]
        missing = [f"{row['title']} ({row['accuracy']['reason']})" for row in unread(one["metrics"])]
        parts += [f"Not held against votes: {'; '.join(missing)}."] if missing else []
    return "\n\n".join(parts) + "\n"


def left_out_sentence(found: Entry) -> str:
    """Who is not in the headline."""
    count = found["counts"]["left_out"]
    if not count:
        return "No rater was left out."
    are = "rater answers" if count == 1 else "raters answer"
    return f"{count} {are} without looking and {'is' if count == 1 else 'are'} left out."


def question_parts(result: Entry) -> list[str]:
    """A question's paragraphs: its strengths, and what must be known to read them."""
    if not result["methods"]:
        return [f"No result: {result['reason']}."]
    parts = [_table(*strength_table(result))]
    return [*parts, "\n".join(f"- {line}" for line in remarks(result))]


def remarks(result: Entry) -> list[str]:
    """Sentences about one question's result."""
    told = [
        f"{result['votes']} votes of {result['raters']} raters on heads of {result['identities']} people; "
        f"{result['decided']} decided, {result['neither']} neither."
    ]
    if result["reason"]:
        told.append(f"No intervals: {result['reason']}.")
    if result["sets"]:
        runs = "; ".join(", ".join(run) for run in result["sets"])
        told.append(f"Cannot be told apart: {runs}.")
    elif len(result["methods"]) > 1 and not result["reason"]:
        told.append("All methods can be told apart.")
    side, nu = result["side"], result["nu"]
    told.append(f"Left over right between equals: {_with_interval(side)} log-odds{_shown(side['p'])}.")
    told.append(f"Ties: nu {_with_interval(nu)}.")
    if len(result["components"]) > 1:
        groups = " | ".join(", ".join(group) for group in result["components"])
        told.append(
            f"Some methods never lose to some others ({groups}): between these groups strengths have no "
            "bound by the votes, and only a weak prior keeps them finite; how far apart they are is unknown."
        )
    if result["without_votes"]:
        told.append(f"Not compared yet: {', '.join(result['without_votes'])}.")
    return told


def strength_table(result: Entry) -> tuple[list[str], list[list[str]]]:
    """Heads and rows, the strongest first."""
    heads = ["method", "strength", "interval", "rank", "may be", "votes", "won", "neither"]
    rows = [
        [
            row["method"],
            number(row["strength"], "1"),
            interval(row),
            str(row["rank"]),
            rank_range(row),
            str(row["votes"]),
            share(row["won"]),
            share(row["neither"]),
        ]
        for row in result["methods"]
    ]
    return heads, rows


def everyone_table(found: Entry) -> tuple[list[str], list[list[str]]]:
    """Strengths without and with raters who were left out, side by side."""
    rows = []
    for kept, whole in zip(found["questions"], found["with_everyone"], strict=True):
        own = {row["method"]: row for row in kept["methods"]}
        for row in whole["methods"]:
            before = own.get(row["method"])
            rows.append(
                [
                    kept["question"],
                    row["method"],
                    f"{number(before['strength'], '1')} {interval(before)}".strip() if before else NONE,
                    f"{number(row['strength'], '1')} {interval(row)}".strip(),
                ]
            )
    return ["question", "method", "without them", "with everyone"], rows


def reliability_table(found: Entry) -> tuple[list[str], list[list[str]]]:
    """Agreement of raters, a row a question."""
    heads = ["question", "alpha", "judged by two or more", "attention passed", "repeats answered alike"]
    rows = [
        [
            row["question"],
            number(row["alpha"], "1"),
            str(row["units"]),
            _of(row["passed"], row["attention"]),
            _of(row["consistent"], row["repeats"]),
        ]
        for row in found["reliability"]
    ]
    return heads, rows


def left_out_table(found: Entry) -> tuple[list[str], list[list[str]]]:
    """Raters who answer without looking, and what each did."""
    heads = ["rater", "careless", "pairs", "attention passed", "repeats alike", "left", "seconds"]
    rows = [
        [
            row["rater"],
            share(row["careless"]),
            str(row["pairs"]),
            _of(row["passed"], row["attention"]),
            _of(row["consistent"], row["repeats"]),
            share(row["left"]),
            number(row["seconds"], "s"),
        ]
        for row in found["left_out"]
    ]
    return heads, rows


def agreement_table(metrics: Sequence[Entry]) -> tuple[list[str], list[list[str]]]:
    """Metrics that could be held against votes, what tracks people best first."""
    heads = ["metric", "accuracy", "interval", "Kendall's tau", "interval of tau", "votes", "people"]
    rows = [
        [
            row["title"],
            number(row["accuracy"]["value"], "1"),
            interval(row["accuracy"]),
            number(row["tau"]["value"], "1"),
            interval(row["tau"]),
            str(row["votes"]),
            str(row["identities"]),
        ]
        for row in by_accuracy(metrics)
    ]
    return heads, rows


def by_accuracy(metrics: Sequence[Entry]) -> list[Entry]:
    """Metrics that have an accuracy, the highest first."""
    known = [row for row in metrics if row["accuracy"]["value"] is not None]
    return sorted(known, key=lambda row: -row["accuracy"]["value"])


def foremost(metrics: Sequence[Entry]) -> list[Entry]:
    """The headline, and those that track people best; `analysis.json` has all."""
    best = by_accuracy(metrics)
    return [row for at, row in enumerate(best) if at < FOREMOST or row["headline"]]


def without_intervals(metrics: Sequence[Entry]) -> list[str]:
    """A sentence where figures have no intervals for want of people."""
    told = {row["accuracy"]["reason"] for row in by_accuracy(metrics)} - {""}
    return [f"Some have no interval: {'; '.join(sorted(told))}."] if told else []


def unread(metrics: Sequence[Entry]) -> list[Entry]:
    """Metrics that have none."""
    return [row for row in metrics if row["accuracy"]["value"] is None]


def interval(row: Entry) -> str:
    """In brackets; "–" where there is none."""
    if row["low"] is None or row["high"] is None:
        return NONE
    return f"[{number(row['low'], '1')}, {number(row['high'], '1')}]"


def rank_range(row: Entry) -> str:
    """The ranks that a method may have."""
    best, worst = row["best_rank"], row["worst_rank"]
    return str(best) if best == worst else f"{best} to {worst}"


def share(value: float | None) -> str:
    """Of one, in per cent."""
    return NONE if value is None else f"{value:.0%}"


def _of(value: float | None, count: int) -> str:
    return NONE if value is None or not count else f"{value:.0%} of {count}"


def _with_interval(row: Entry) -> str:
    known = row["low"] is not None
    return f"{number(row['value'], '1')} {interval(row)}" if known else number(row["value"], "1")


def _shown(p: float | None) -> str:
    return "" if p is None else f", p = {p:.3f}" if p >= 0.001 else ", p < 0.001"


def _table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    lines = [heads, ["---", *("---:" for _ in heads[1:])], *rows]
    return "\n".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |" for line in lines)
