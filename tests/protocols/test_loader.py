"""Protocols: what ships is right, and what is wrong is told in one sentence."""

from __future__ import annotations

from pathlib import Path

import pytest

from idto3d_protocols.loader import MAX_BYTES, ProtocolError, load_protocol, parse_protocol, protocol_names
from idto3d_protocols.loader import protocol_text as shipped_text
from idto3d_protocols.schema import BudgetChange, Protocol


@pytest.fixture
def smoke() -> str:
    return shipped_text("smoke")


def sentence(text: str) -> str:
    """The error of a text that is no protocol; it is one line that ends as a sentence."""
    with pytest.raises(ProtocolError) as caught:
        parse_protocol(text, source="mine.yaml")
    message = str(caught.value)
    assert "\n" not in message
    assert message.endswith(".")
    return message


@pytest.mark.parametrize("name", ["ablation", "quickstart", "smoke", "unseen_ids"])
def test_shipped_protocols_load_under_their_own_names(name: str) -> None:
    assert name in protocol_names()
    assert load_protocol(name).name == name


def test_unseen_ids_is_the_twelve_heldout_people() -> None:
    """The people are fixed by name, so that nobody's draw decides whom a table is about."""
    protocol = load_protocol("unseen_ids")
    assert protocol.population.identities == tuple(f"heldout-{index:04d}" for index in range(12))
    assert protocol.population.split == "heldout"
    assert protocol.statistics.impostors >= 20
    assert protocol.statistics.gallery >= 200
    assert sum(view.frontal for view in protocol.views) == 3


def test_quickstart_is_unseen_ids_with_less() -> None:
    """What a newcomer sees first measures the same things on people of the same list, and costs less."""
    quick, full = load_protocol("quickstart"), load_protocol("unseen_ids")
    assert set(quick.population.identities) < set(full.population.identities)
    assert set(quick.expressions) <= set(full.expressions)
    assert quick.budget.geometry_steps < full.budget.geometry_steps
    assert {row.label for row in quick.methods} <= {row.label for row in full.methods}


def test_controls_of_unseen_ids() -> None:
    """No SDS steps, and another person's photos: the same method, each with one thing changed."""
    protocol = load_protocol("unseen_ids")
    zero = protocol.row("id_to_3d_zero_steps")
    assert zero.method == "id_to_3d"
    assert (protocol.budget_of(zero).geometry_steps, protocol.budget_of(zero).texture_steps) == (0, 0)
    assert protocol.budget_of(protocol.row("id_to_3d")) == protocol.budget

    swapped = protocol.row("id_to_3d_swapped")
    people = protocol.population.identities
    given = [protocol.conditioning_identity(swapped, person) for person in people]
    assert sorted(given) == sorted(people)
    assert all(one != other for one, other in zip(given, people, strict=True))
    assert protocol.conditioning_identity(protocol.row("id_to_3d"), people[3]) == people[3]


def test_budget_changes_only_what_a_row_names() -> None:
    budget = load_protocol("smoke").budget
    changed = budget.changed(BudgetChange(texture_steps=7))
    assert changed.texture_steps == 7
    assert changed.model_copy(update={"texture_steps": budget.texture_steps}) == budget


def test_unknown_name_lists_the_known_ones() -> None:
    with pytest.raises(
        ProtocolError,
        match=r"'unseen_idz'.*ablation, cross_identity, .*, relighting, .*, unseen_ids, unseen_ids_full",
    ):
        load_protocol("unseen_idz")


def test_unknown_field_is_named_beside_the_known_ones(smoke: str) -> None:
    message = sentence(smoke.replace("conditioning_photos:", "conditioning_foto:"))
    assert "population.conditioning_photos" in message
    message = sentence(smoke + "surprise: 1\n")
    assert "unknown field surprise" in message
    assert "budget" in message


def test_wrong_type_says_found_and_expected(smoke: str) -> None:
    message = sentence(smoke.replace("geometry_steps: 2", "geometry_steps: many"))
    assert "budget.geometry_steps" in message
    assert "'many'" in message
    assert "integer" in message


def test_numbers_in_quotes_are_refused(smoke: str) -> None:
    """Strict: "2" is text, and a typo in YAML shall not decide a budget."""
    assert "'2'" in sentence(smoke.replace("geometry_steps: 2", "geometry_steps: '2'"))


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("version: 1\nprofile", "version: 1\nversion: 2\nprofile", "version"),
        ("[heldout-0000, heldout-0001]", "[heldout-0000, heldout-0000]", "more than once"),
        ("[neutral, smile]", "[smile]", "neutral"),
        ("camera: left20, light: side", "camera: left99, light: side", "left20"),
        ("frontal: true", "frontal: false", "frontal"),
        ("distance_mm: 1000", "distance_mm: .nan", "finite"),
        ("profile: embedded", "profile: imaginary", "'embedded' or 'paper'"),
        ("schema_version: 1", "schema_version: 2", "schema_version"),
        ("[identity, expression, geometry, cost]", "!!python/object/apply:os.getcwd []", "not YAML"),
        ("seeds: [0]", "seeds: &a [0]\nmetrics: *a", "alias"),
    ],
)
def test_what_does_not_fit_is_refused(smoke: str, before: str, after: str, expected: str) -> None:
    assert before in smoke
    assert expected in sentence(smoke.replace(before, after))


@pytest.mark.parametrize("text", ["", "[]", "name", "a: [", "\t", "? [1]\n: 2", "a: 2026-99-99"])
def test_what_is_no_protocol_is_refused(text: str) -> None:
    assert "mine.yaml" in sentence(text)


def test_a_huge_file_is_not_read(tmp_path: Path) -> None:
    path = tmp_path / "huge.yaml"
    path.write_bytes(b"#" * (MAX_BYTES + 1))
    with pytest.raises(ProtocolError, match="larger than"):
        load_protocol(path)


def test_a_missing_or_binary_file_is_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(ProtocolError, match="No such file"):
        load_protocol(tmp_path / "none.yaml")
    path = tmp_path / "binary.yaml"
    path.write_bytes(b"\xff\xfe\x00")
    with pytest.raises(ProtocolError, match="UTF-8"):
        load_protocol(path)


def test_deep_nesting_is_a_sentence() -> None:
    assert "not YAML" in sentence("[" * 20_000)


def test_a_protocol_survives_its_own_json() -> None:
    """The run folder keeps the protocol as JSON, and reads the same protocol back."""
    protocol = load_protocol("unseen_ids")
    assert Protocol.model_validate_json(protocol.model_dump_json()) == protocol
