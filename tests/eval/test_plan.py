"""Plans: every input changes the key, nothing else does, and what does not fit is told beforehand."""

from __future__ import annotations

import dataclasses
import sys
import textwrap
from pathlib import Path
from typing import Any

import fake_stages as fake
import pytest

from idto3d.errors import UserError
from idto3d_eval import code_version
from idto3d_eval.keys import KeyInputs, SharedFields, canonical_json, content_key, weights_sha256
from idto3d_eval.plan import Plan, plan_run
from idto3d_eval.stage import protocol_part
from idto3d_eval.stages import SCORING_WEIGHTS, STAGES
from idto3d_protocols.loader import load_protocol, protocol_names
from idto3d_protocols.schema import Protocol

BASE = KeyInputs(
    stage="generate",
    protocol={"name": "fake", "version": 1, "expressions": ["neutral"]},
    method={"name": "good", "entry": "fake_stages:generate"},
    parameters={"budget": {"geometry_steps": 2}},
    weights={"recogniser_a.onnx": "aa"},
    identity="heldout-0000",
    seed=0,
    repeat=0,
    inputs={"identities/heldout-0000": "bb"},
    code="cc",
    libraries={"torch": "2.0"},
    threads=1,
)
CHANGED: dict[str, Any] = {
    "stage": "render",
    "protocol": {"name": "fake", "version": 2, "expressions": ["neutral"]},
    "method": {"name": "good", "entry": "fake_stages:other"},
    "parameters": {"budget": {"geometry_steps": 3}},
    "weights": {"recogniser_a.onnx": "ab"},
    "identity": "heldout-0001",
    "seed": 1,
    "repeat": 1,
    "inputs": {"identities/heldout-0000": "bc"},
    "code": "cd",
    "libraries": {"torch": "2.1"},
    "threads": 2,
    "schema": 2,
}


@pytest.mark.parametrize("name", [field.name for field in dataclasses.fields(KeyInputs)])
def test_each_input_of_the_key_changes_it(name: str) -> None:
    assert dataclasses.replace(BASE, **{name: CHANGED[name]}).key() != BASE.key()


def test_equal_inputs_give_equal_keys_in_any_order() -> None:
    assert content_key({"a": 1, "b": (1.0, -0.0)}) == content_key({"b": [1.0, 0.0], "a": 1})
    assert content_key({"a": 1}) != content_key({"a": True})
    with pytest.raises(ValueError, match="finite"):
        canonical_json(float("nan"))
    with pytest.raises(TypeError, match="JSON"):
        canonical_json(object())


def plan(weights: Path, **changes: Any) -> Plan:
    return plan_run(fake.protocol(**changes), weights, fake.METHODS, fake.STAGES)


def keys(made: Plan) -> dict[str, str]:
    """Keys with each need's own key for its digest: what changes upstream shows downstream."""
    found: dict[str, str] = {}
    for job in made.jobs:
        found[job.name] = job.key(found)
    return found


def changed(before: Plan, after: Plan) -> set[str]:
    old, new = keys(before), keys(after)
    stages = {job.name: job.stage for job in (*before.jobs, *after.jobs)}
    return {stages[name] for name in old.keys() & new.keys() if old[name] != new[name]}


FROM_HEADS = {"generate", "render", "read", "score"}


@pytest.mark.parametrize(
    ("change", "stages"),
    [
        ({"version": "2"}, {*FROM_HEADS, "identity", "photos", "gallery", "reference"}),
        ({"description": "Other words."}, set()),
        ({"methods": "[{method: good, label: good, parameters: {pause: 1}}]"}, FROM_HEADS),
        ({"methods": "[{method: good, label: good, budget: {geometry_steps: 3}}]"}, FROM_HEADS),
        ({"methods": "[{method: other, label: good}]"}, FROM_HEADS),
        ({"expressions": "[neutral, anger]"}, FROM_HEADS),
        ({"resolution": "128"}, {"render", "read", "score"}),
        ({"metrics": "[identity]"}, {"score"}),
        ({"statistics": "{bootstrap: 999, level: 0.9, impostors: 2, gallery: 4}"}, set()),
        ({"statistics": "{bootstrap: 200, level: 0.95, impostors: 2, gallery: 5}"}, {"gallery", "score"}),
    ],
)
def test_a_protocol_field_changes_the_stages_that_read_it(
    tmp_path: Path, change: dict[str, str], stages: set[str]
) -> None:
    assert changed(plan(tmp_path), plan(tmp_path, **change)) == stages


def test_photos_of_another_person_change_the_head(tmp_path: Path) -> None:
    own = plan(tmp_path)
    swapped = plan(tmp_path, methods="[{method: good, label: good, photos_of: next}]")
    assert changed(own, swapped) == FROM_HEADS
    (job,) = [job for job in swapped.of_stage("generate") if job.key_inputs.identity == "heldout-0001"]
    assert job.needs == ("identities/heldout-0000",)
    own_row, photos_row = swapped.of_stage("score")
    assert own_row.key_inputs.parameters["scored_as"]["heldout-0001"] == "heldout-0001"
    assert photos_row.label == "good_as_photos"
    assert photos_row.key_inputs.parameters["scored_as"]["heldout-0001"] == "heldout-0000"
    assert photos_row.needs == own_row.needs


def test_weights_change_only_the_stages_that_read_them(tmp_path: Path) -> None:
    weights = tmp_path / "weights"
    weights.mkdir()
    (weights / "prior.safetensors").write_bytes(b"a")
    (weights / "reader_scoring.onnx").write_bytes(b"1")
    before = plan(weights)
    (weights / "reader_scoring.onnx").write_bytes(b"2")
    scoring = plan(weights)
    assert changed(before, scoring) == {"read", "score"}
    (weights / "prior.safetensors").write_bytes(b"b")
    assert changed(scoring, plan(weights)) == FROM_HEADS


def test_weights_are_told_by_name_and_content(tmp_path: Path) -> None:
    (tmp_path / "a.onnx").write_bytes(b"1")
    first = weights_sha256([tmp_path])
    (tmp_path / "a.onnx").rename(tmp_path / "b.onnx")
    assert weights_sha256([tmp_path]) != first
    assert weights_sha256([tmp_path / "b.onnx"]) == {"b.onnx": next(iter(first.values()))}


def test_of_a_model_card_only_the_preprocessing_counts(tmp_path: Path) -> None:
    card = tmp_path / "a.card.json"
    card.write_text('{"preprocessing": {"mean": 1}, "measured": {"tar": 0.9}}')
    before = weights_sha256([tmp_path])
    card.write_text('{"preprocessing": {"mean": 1}, "measured": {"tar": 0.95}}')
    assert weights_sha256([tmp_path]) == before
    card.write_text('{"preprocessing": {"mean": 2}, "measured": {"tar": 0.95}}')
    assert weights_sha256([tmp_path]) != before
    (tmp_path / "samples.png").write_bytes(b"1")
    assert weights_sha256([tmp_path]).keys() == before.keys()


def test_jobs_come_after_what_they_need_and_carry_names_of_their_own(tmp_path: Path) -> None:
    made = plan(
        tmp_path, people=3, methods="[{method: good, label: a}, {method: mean, label: b}]", seeds="[0, 1]"
    )
    seen: set[str] = set()
    for job in made.jobs:
        assert seen.issuperset(job.needs)
        assert job.name not in seen
        seen.add(job.name)
    assert len(made.of_stage("generate")) == 3 * 2 * 2
    assert [job.name for job in made.of_stage("score")] == ["scores/a", "scores/b"]


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"methods": "[{method: nobody, label: a}]"}, "'nobody', expected one of good"),
        ({"profile": "paper", "methods": "[{method: embedded_only, label: a}]"}, "expected embedded"),
        (
            {
                "methods": "[{method: truth, label: a}]",
                "population": "{label: photographs, split: mine, population_seed: 0, identities: [ann],"
                " conditioning_photos: 1, scoring_photos: 1}",
            },
            "needs the true heads",
        ),
    ],
)
def test_a_method_that_does_not_fit_is_refused_before_anything_runs(
    tmp_path: Path, change: dict[str, str], sentence: str
) -> None:
    methods = {**fake.METHODS, "embedded_only": fake.spec("embedded_only", profiles=("embedded",))}
    with pytest.raises(UserError, match=sentence):
        plan_run(fake.protocol(**change), tmp_path, methods, fake.STAGES)


@pytest.mark.parametrize("name", protocol_names())
def test_shipped_protocols_can_be_planned(name: str, tmp_path: Path) -> None:
    for file in SCORING_WEIGHTS:
        (tmp_path / file).touch()
    made = plan_run(load_protocol(name), tmp_path)
    assert {job.stage for job in made.jobs} <= set(STAGES)
    assert all(job.key_inputs.code for job in made.jobs)


def test_missing_scoring_weights_are_told_before_anything_runs(tmp_path: Path) -> None:
    with pytest.raises(
        UserError, match=r"Found no reader_scoring\.onnx in .* 'idto3d-eval train reader_scoring'"
    ):
        plan_run(load_protocol("smoke"), tmp_path)


def test_a_stage_sees_only_the_fields_that_its_key_covers() -> None:
    part: Protocol = protocol_part(fake.protocol(), ("cameras", "population.label"))
    assert part.cameras == fake.protocol().cameras
    assert part.camera("front").name == "front"
    with pytest.raises(AttributeError, match="budget"):
        _ = part.budget


@pytest.fixture
def module(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Writes a module of a package that counts as the project's, and returns its code version."""
    name = "code_under_test"
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(code_version, "PACKAGES", frozenset({name}))

    def version(entry: str, **files: str) -> str:
        for file, text in {"__init__": "", **files}.items():
            (tmp_path / name).mkdir(exist_ok=True)
            (tmp_path / name / f"{file}.py").write_text(textwrap.dedent(text))
        for function in (
            code_version.code_version,
            code_version._look,
            code_version._module,
            code_version._source_of,
        ):
            function.cache_clear()
        sys.modules.pop(name, None)
        return code_version.code_version(f"{name}.{entry}")

    yield version
    for function in (
        code_version.code_version,
        code_version._look,
        code_version._module,
        code_version._source_of,
    ):
        function.cache_clear()


CODE = """
    from code_under_test.other import helped
    LIMIT = 3
    def run():
        '''Runs.'''
        return helped(LIMIT)
    def beside():
        return 1
"""
OTHER = """
    def helped(x):
        return x + 1
    def unrelated():
        return 2
"""


def test_code_that_is_reached_counts_and_other_code_does_not(module: Any) -> None:
    before = module("main:run", main=CODE, other=OTHER)
    assert before
    for same in (
        CODE.replace("'''Runs.'''", "'''Other words.'''\n        # a comment"),
        CODE.replace("return 1", "return 7"),
    ):
        assert module("main:run", main=same, other=OTHER) == before
    assert module("main:run", main=CODE, other=OTHER.replace("return 2", "return 3")) == before
    assert module("main:run", main=CODE, other=OTHER.replace("x + 1", "x + 2")) != before
    assert module("main:run", main=CODE.replace("LIMIT = 3", "LIMIT = 4"), other=OTHER) != before


def test_code_reached_through_imports_inside_functions_and_whole_modules_counts(module: Any) -> None:
    inside = "def run():\n    from code_under_test import other\n    return other.helped(1)\n"
    before = module("main:run", main=inside, other=OTHER)
    assert module("main:run", main=inside, other=OTHER.replace("return 2", "return 3")) != before
    passed_on = {"__init__": "from code_under_test.other import helped\n"}
    top = "from code_under_test import helped\ndef run():\n    return helped(1)\n"
    before = module("main:run", main=top, other=OTHER, **passed_on)
    assert module("main:run", main=top, other=OTHER.replace("x + 1", "x + 2"), **passed_on) != before


def test_what_was_read_of_code_is_kept_and_a_damaged_note_is_read_anew(
    module: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path / "cache"))
    before = module("main:run", main=CODE, other=OTHER)
    kept = sorted((tmp_path / "cache" / "code").iterdir())
    assert len(kept) >= 2
    assert module("main:run", main=CODE, other=OTHER) == before
    for path in kept:
        path.write_text(path.read_text()[:-5])
    assert module("main:run", main=CODE, other=OTHER) == before
    assert sorted((tmp_path / "cache" / "code").iterdir()) == kept
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path / "main.py" / "no folder"))
    (tmp_path / "main.py").write_text("")
    assert module("main:run", main=CODE, other=OTHER) == before


def test_a_module_that_does_not_exist_has_no_version() -> None:
    assert code_version.code_version("no_such_module:run") == ""


def test_a_key_from_parts_is_the_key_of_the_whole() -> None:
    inputs = KeyInputs(
        "generate",
        SharedFields(name="p", version=1, nested={"b": [1, 2.0, None], "a": "ä"}),
        parameters={"x": True, "y": (1, 2)},
        identity='a "quoted" name, naïve',
        seed=3,
    )
    needs = {"b/1": "d" * 64, "a/2": "e" * 64}
    assert inputs.key_with(needs) == content_key({**dataclasses.asdict(inputs), "inputs": needs})
    assert inputs.key() == content_key(dataclasses.asdict(inputs))


def test_keys_that_share_their_parts_are_those_of_the_whole() -> None:
    shared = {
        "protocol": SharedFields(name="p", version=1),
        "method": SharedFields(name="m"),
        "weights": SharedFields({"a.onnx": "f" * 64}),
        "libraries": SharedFields(numpy="2.0"),
    }
    for changes in (
        {},
        {"identity": "b", "seed": 4},
        {"parameters": SharedFields(x=1)},
        {"parameters": {"x": 2.0}, "code": "c"},
        {"repeat": 1},
        {"method": SharedFields(name="n")},
    ):
        inputs = KeyInputs("generate", **{**shared, **changes})
        expected = content_key(dataclasses.asdict(inputs))
        assert inputs.key() == expected
        assert inputs.key() == expected
