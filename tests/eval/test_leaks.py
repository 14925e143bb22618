"""Leaks: what breaks the ruler is refused in one sentence, and unseen is never more than can be shown."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import fake_stages as fake
import numpy as np
import pytest

from idto3d.errors import UserError
from idto3d_baselines.external_spec import load_external
from idto3d_eval import nearest_people
from idto3d_eval.leak_states import leak_rows, leak_section, leak_state, lists_of
from idto3d_eval.leaks import TrainingList, training_lists
from idto3d_eval.nearest_people import Nearest, read_nearest, stranger_threshold, write_nearest
from idto3d_eval.plan import plan_run
from idto3d_eval.single import shipped_weights
from idto3d_protocols.loader import load_protocol
from idto3d_protocols.schema import MethodRow, Protocol

MIXED = (
    "{{label: synthetic, split: mixed, population_seed: {seed}, identities: [{ids}], conditioning_photos: 2,"
    " scoring_photos: 1{seen}}}"
)


def people(*ids: str, seen: str = "", seed: int = 0) -> dict[str, str]:
    return {
        "population": MIXED.format(ids=", ".join(ids), seen=f", seen: [{seen}]" if seen else "", seed=seed)
    }


def weights_of(tmp_path: Path, **cards: dict[str, Any]) -> Path:
    """Networks with one card each, `recogniser_a={"data": …}`, and no two of the same bytes."""
    folder = tmp_path / "weights"
    folder.mkdir()
    for name, training in cards.items():
        (folder / f"{name}.onnx").write_bytes(name.encode())
        (folder / f"{name}.card.json").write_text(json.dumps({"name": name, "training": training}))
    return folder


def refusal(protocol: Protocol, weights: Path, methods: Any = fake.METHODS) -> str:
    with pytest.raises(UserError) as caught:
        plan_run(protocol, weights, methods, fake.STAGES)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_a_scoring_network_among_those_that_methods_read_is_refused(tmp_path: Path) -> None:
    """By its bytes, whatever it is called."""
    weights = weights_of(tmp_path, recogniser_a={}, recogniser_b={}, reader_scoring={})
    plan_run(fake.protocol(), weights, fake.METHODS, fake.STAGES)
    (weights / "recogniser_a.onnx").write_bytes(b"recogniser_b")
    message = refusal(fake.protocol(), weights)
    assert "recogniser_b.onnx, which scores" in message
    assert "recogniser_a.onnx" in message


def test_a_rows_own_weights_are_looked_at_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    weights = weights_of(tmp_path, recogniser_b={})
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "prior.safetensors").write_bytes(b"recogniser_b")
    protocol = fake.protocol(methods="[{method: good, label: mine, weights: own}]")
    assert "row mine" in refusal(protocol, weights)


def test_a_method_from_outside_that_uses_a_scoring_network_is_refused(tmp_path: Path) -> None:
    """As one of its files, or as it declares, by bytes or by name."""
    weights = weights_of(tmp_path, recogniser_b={})
    (tmp_path / "net.bin").write_bytes(b"other")
    spec = """
schema_version: 1
name: foreign
kind: external-command
summary: a program
conditioned_on: [photos]
knows_population: false
licence: MIT
commit: null
source: a test
reproduction: untested here
install: ""
profiles: [embedded]
guidance_calls: 0
unit: mm
argv: [sh]
timeout_s: 1
disk_mib: 1
heads: "{expression}.obj"
files: [net.bin]
"""
    (tmp_path / "foreign.yaml").write_text(spec)
    methods = {**fake.METHODS, "foreign": load_external(tmp_path / "foreign.yaml")}
    protocol = fake.protocol(methods="[{method: foreign, label: foreign}]")
    plan_run(protocol, weights, methods, fake.STAGES)
    (tmp_path / "net.bin").write_bytes(b"recogniser_b")
    assert "foreign uses recogniser_b.onnx" in refusal(protocol, weights, methods)
    (tmp_path / "net.bin").write_bytes(b"other")
    sha = hashlib.sha256(b"recogniser_b").hexdigest()
    for network in ({"name": "recogniser_b"}, {"name": "theirs", "sha256": sha}):
        (tmp_path / "foreign.networks.json").write_text(json.dumps({"networks": [network]}))
        assert "foreign uses recogniser_b.onnx" in refusal(protocol, weights, methods)
    on = {"split": "heldout", "first": 0, "people": 5}
    (tmp_path / "foreign.networks.json").write_text(
        json.dumps({"networks": [{"name": "theirs", "trained_on": on, "knows_training": True}]})
    )
    assert "heldout-0000 among the people that theirs of foreign" in refusal(protocol, weights, methods)
    (tmp_path / "foreign.networks.json").write_text("{")
    assert "Networks of foreign" in refusal(protocol, weights, methods)


def test_an_overlap_with_training_people_is_refused(tmp_path: Path) -> None:
    weights = weights_of(tmp_path, recogniser_a={"data": "faces-guidance-10-5x4"}, recogniser_b={})
    for name, trained in (("guidance-0009", False), ("guidance-0010", True), ("guidance-0014", True)):
        protocol = fake.protocol(**people("heldout-0000", name))
        if trained:
            assert f"{name} among the people that recogniser_a was trained on" in refusal(protocol, weights)
        else:
            plan_run(protocol, weights, fake.METHODS, fake.STAGES)
    plan_run(fake.protocol(**people("guidance-0010", seed=7)), weights, fake.METHODS, fake.STAGES)


def test_seen_people_are_allowed_where_that_is_the_question_and_never_where_it_scores(tmp_path: Path) -> None:
    told = people("heldout-0000", "guidance-0000", seen="guidance")
    weights = weights_of(tmp_path, recogniser_a={"data": "faces-guidance-0-5x4"}, recogniser_b={})
    plan_run(fake.protocol(**told), weights, fake.METHODS, fake.STAGES)
    card = {"training": {"split": "guidance", "first": 0, "people": 5}}
    (weights / "recogniser_b.card.json").write_text(json.dumps(card))
    assert "recogniser_b was trained on" in refusal(fake.protocol(**told), weights)


def test_every_shipped_network_says_whom_it_saw() -> None:
    lists = training_lists(shipped_weights())
    assert all(told for told in lists.values()), lists
    assert lists["recogniser_a"] == (
        TrainingList("recogniser_a", "recogniser_a", 0, 11_000, "recogniser_a.card.json"),
    )
    splits = {each.split for told in lists.values() for each in told or ()}
    assert not splits & {"heldout", "shifted", "validation", "gallery"}


LISTS = {"prior": (TrainingList("prior", "guidance", 0, 100, "card"),)}
FAR_OFF = Nearest("guidance-0003", 0.3, 0.5, 100, 100)


@pytest.mark.parametrize(
    ("identity", "lists", "nearest", "state", "why"),
    [
        ("heldout-0000", LISTS, FAR_OFF, "verified", "guidance-0003"),
        ("heldout-0000", LISTS, None, "unverifiable", "not measured"),
        ("heldout-0000", LISTS, Nearest("guidance-0003", 0.6, 0.5, 100, 100), "unverifiable", "not below"),
        ("heldout-0000", LISTS, Nearest("", np.nan, 0.5, 0, 0), "unverifiable", "could not be measured"),
        ("heldout-0000", {**LISTS, "their": None}, FAR_OFF, "unverifiable", "whom their saw"),
        ("guidance-0001", LISTS, FAR_OFF, "overlap", "prior trained on them"),
        ("guidance-0100", LISTS, FAR_OFF, "verified", "below 0.50"),
    ],
)
def test_three_states(identity: str, lists: Any, nearest: Any, state: str, why: str) -> None:
    protocol = fake.protocol(**people(identity, "heldout-0009"))
    found = leak_state(protocol, identity, lists, nearest)
    assert found.state == state
    assert why in found.why


def test_seen_people_are_called_so() -> None:
    protocol = fake.protocol(**people("guidance-0001", "heldout-0000", seen="guidance"))
    assert leak_state(protocol, "guidance-0001", LISTS, FAR_OFF).state == "seen"


def test_a_method_from_outside_that_declares_nothing_is_unverifiable() -> None:
    spec = fake.spec("foreign", settings={"kind": "external-command"}, origin="/nowhere")
    row = MethodRow(method="foreign", label="foreign")
    found = leak_state(fake.protocol(), "heldout-0000", lists_of(row, spec, Path()), FAR_OFF)
    assert found.state == "unverifiable"
    assert "declares no networks" in found.why


def test_the_shipped_table_has_a_line_a_row_and_person_and_one_a_state() -> None:
    from idto3d_baselines.specs import METHODS

    protocol = load_protocol("cross_identity")
    nearest = dict.fromkeys(protocol.population.identities, FAR_OFF)
    rows = leak_rows(protocol, METHODS, shipped_weights(), nearest)
    assert len(rows) == 7 * 36
    states = {(row["row"], row["person"]): row["unseen"] for row in rows}
    assert states["id_to_3d", "guidance-0003"] == "seen"
    assert states["id_to_3d", "shifted-0003"] == "verified"
    assert states["id_to_3d_swapped", "guidance-0011"] == "verified"  # made from heldout-0000's photos
    assert states["oracle", "heldout-0000"] == "knows"
    section = leak_section(protocol, METHODS, shipped_weights(), nearest)
    assert sum(row[2] for row in section["rows"]) == len(rows)


def test_the_threshold_is_what_a_thousandth_of_strangers_pass() -> None:
    rng = np.random.default_rng(0)
    templates = rng.normal(size=(200, 16)).astype(np.float32)
    templates /= np.linalg.norm(templates, axis=1, keepdims=True)
    pairs = (templates.astype(float) @ templates.T.astype(float))[np.triu_indices(200, 1)]
    assert (pairs > stranger_threshold(templates)).sum() == int(1e-3 * pairs.size)
    assert np.isnan(stranger_threshold(templates[:100]))  # 4,950 pairs: fewer than ten would pass


def test_the_nearest_training_person_is_found_and_kept_beside_a_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(1)

    kept: dict[str, Any] = {}

    def templates(split: str, numbers: list[int], *_: Any) -> Any:
        found = rng.normal(size=(len(numbers), 8))
        kept[split] = (found / np.linalg.norm(found, axis=1, keepdims=True)).astype(np.float32)
        return kept[split]

    monkeypatch.setattr(nearest_people, "_training_templates", templates)
    monkeypatch.setattr(nearest_people, "_own_template", lambda *_: kept["guidance"][7])
    found = nearest_people.measure_nearest(load_protocol("smoke"), shipped_weights(), people=100)
    one = found["heldout-0000"]
    assert one.person == "guidance-0315"  # every 45th of 4,500
    assert one.similarity == pytest.approx(1.0, abs=1e-6)
    assert not one.below
    assert (one.compared, one.of) == (300, 17_500)
    write_nearest(tmp_path, found)
    assert read_nearest(tmp_path) == found
    assert read_nearest(tmp_path / "none") == {}
