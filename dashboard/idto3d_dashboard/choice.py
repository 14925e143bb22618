"""What a reader has chosen to look at. Each choice is in the page's address, so that a view can be sent as a
link, and holds on all pages."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import streamlit

from idto3d_dashboard import address
from idto3d_dashboard.live_sheet import LiveSheet
from idto3d_dashboard.reading.run import Run
from idto3d_dashboard.sheet import Sheet

EVERYBODY = "everybody"
NO_METHODS = "No methods are chosen; choose one or more under Methods."
MANY_METHODS = 8  # of more, the first so many are chosen until a reader chooses others


@dataclass(frozen=True)
class Choice:
    """The part of a run that is looked at.

    Attributes:
        run: the run.
        folders: name -> folder of all runs that the dashboard was opened with.
        methods: labels of the chosen rows, in the table's order.
        group: a group of people such as "sex: female", or `EVERYBODY`.
        people: ids of the group's people.
        identity: one of them.
        expression: one of the protocol's.
    """

    run: Run
    folders: Mapping[str, Path]
    methods: tuple[str, ...]
    group: str
    people: tuple[str, ...]
    identity: str
    expression: str


def choose(run: Run, folders: Mapping[str, Path]) -> Choice:
    """Show the choices in the sidebar, and read them."""
    groups = {EVERYBODY: run.identities, **run.groups()}
    first = run.labels[:MANY_METHODS]
    sheet = LiveSheet()
    with streamlit.sidebar:
        address.begin_many("method", run.labels, first)
        methods = streamlit.multiselect("Methods", run.labels, key="method")
        shown = tuple(label for label in run.labels if label in methods)
        address.note("method", shown, first)
        group = sheet.choose("Group", list(groups), "group")
        identity = sheet.choose("Identity", groups[group], "identity")
        expression = sheet.choose("Expression", run.expressions, "expression")
    return Choice(run, folders, shown, group, groups[group], identity, expression)


def choose_seed(run: Run, sheet: Sheet) -> int:
    """The seed whose heads are shown: asked for where a run has several."""
    seeds = run.protocol.seeds
    if len(seeds) == 1:
        return seeds[0]
    return sheet.choose("Seed", seeds, "seed")
