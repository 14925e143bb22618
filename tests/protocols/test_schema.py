"""The published JSON schema: it is the model's, what ships fits it, and every protocol says what it asks."""

from __future__ import annotations

import json
from importlib import resources

import pytest
import yaml

from idto3d_protocols.loader import load_protocol, protocol_names, protocol_text
from idto3d_protocols.schema import json_schema

PUBLISHED = "protocol.schema.json"
ASKED = ("cross_identity", "expressions", "geometry", "relighting", "efficiency", "sessions")


def test_the_published_schema_is_the_models() -> None:
    """Written by `idto3d-eval protocols schema > protocols/idto3d_protocols/protocol.schema.json`."""
    text = resources.files("idto3d_protocols").joinpath(PUBLISHED).read_text(encoding="utf-8")
    assert json.loads(text) == json.loads(json.dumps(json_schema()))


@pytest.mark.parametrize("name", protocol_names())
def test_what_ships_fits_the_published_schema(name: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    validator = jsonschema.validators.validator_for(json_schema())(json_schema())
    assert [error.message for error in validator.iter_errors(yaml.safe_load(protocol_text(name)))] == []


@pytest.mark.parametrize("name", protocol_names())
def test_a_protocol_says_in_its_first_line_what_it_is_for(name: str) -> None:
    first = protocol_text(name).splitlines()[0]
    assert first.startswith("# ")
    assert load_protocol(name).question.endswith("?")


@pytest.mark.parametrize("name", ASKED)
def test_a_protocol_that_takes_long_says_how_long(name: str) -> None:
    assert "Two cores take about" in protocol_text(name).split("schema_version")[0]


def test_cross_identity_has_three_disjoint_sets_of_twelve() -> None:
    protocol = load_protocol("cross_identity")
    splits = [name.rpartition("-")[0] for name in protocol.population.identities]
    assert {split: splits.count(split) for split in splits} == {"guidance": 12, "heldout": 12, "shifted": 12}
    assert protocol.population.seen == ("guidance",)


def test_efficiency_asks_for_the_four_shares_with_weights_of_their_own() -> None:
    rows = [row for row in load_protocol("efficiency").methods if row.weights is not None]
    assert [row.label for row in rows] == ["share_0p05", "share_0p2", "share_1", "share_100"]


def test_sessions_makes_the_same_heads_in_another_process_and_on_other_threads() -> None:
    protocol = load_protocol("sessions")
    base, again = protocol.row("id_to_3d"), protocol.row("id_to_3d_again")
    assert again.repeat == 1
    assert again.model_copy(update={"repeat": 0, "label": base.label}) == base
    assert protocol.budget_of(protocol.row("id_to_3d_two_threads")).threads == 2
    assert len(protocol.seeds) == 2
