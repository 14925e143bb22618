"""Specs of methods from outside: strict, told in one sentence where wrong, and hiding no other."""

from __future__ import annotations

import os
from importlib.metadata import EntryPoint
from pathlib import Path

import pytest

from idto3d.errors import UserError
from idto3d_baselines import discovery
from idto3d_baselines.discovery import known_methods
from idto3d_baselines.external_files import content_hashes, head_files
from idto3d_baselines.external_spec import SpecError, json_schema, load_external, spec_of
from idto3d_baselines.specs import METHODS

READY = (
    "arc2avatar",
    "humannorm_official",
    "id_sculpt",
    "tada_official",
    "threestudio_dreamfusion",
    "threestudio_fantasia3d",
    "threestudio_magic123",
)
SPEC = """schema_version: 1
name: made
kind: external-assets
summary: heads of this test
conditioned_on: [one photo]
knows_population: false
licence: CC0-1.0
commit: null
source: this test
reproduction: untested here
profiles: [embedded]
install: ''
guidance_calls: 0
unit: cm
folder: heads
heads: "{identity}/{expression}.glb"
"""


def write(folder: Path, text: str = SPEC, name: str = "made") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)
    return folder / f"{name}.yaml"


@pytest.mark.parametrize("name", READY)
def test_ready_specs_load_and_say_that_nobody_tried_them_here(repository: Path, name: str) -> None:
    spec = load_external(repository / "methods" / f"{name}.yaml")
    assert spec.reproduction == "untested here"
    assert spec.commit is not None
    assert len(spec.commit) == 40
    assert spec.settings["install"]
    for file in spec.settings["files"]:
        there = (repository / "methods" / file).is_file()
        assert there != (f"must supply {file}" in spec.settings["install"])


def test_the_ready_specs_are_all_there_is(repository: Path) -> None:
    found = known_methods([repository / "methods"])
    assert found.broken == ()
    assert tuple(name for name in found.specs if name not in METHODS) == READY


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        (
            "kind: external-assets",
            "kind: native",
            "expected kind to be one of external-assets, external-command",
        ),
        ("unit: cm", "unit: inch", r"field unit: found 'inch', expected 'm', 'cm' or 'mm'"),
        ("unit: cm", "unit: cm\nrun: this", "an unknown field run, expected only"),
        ("unit: cm\n", "", "lacks the field unit"),
        ("[one photo]", "[truth]", "conditioned_on says 'truth'"),
        ("{expression}", "{shell}", "heads holds {shell}, expected one of"),
        ("commit: null", "commit: main", "field commit"),
        ("name: made", "name: other", "names itself 'other', expected 'made'"),
        ("unit: cm", "unit: cm\nup: +y", "up and forward are said one without the other"),
        ("unit: cm", "unit: cm\nup: +y\nforward: -y", "lie on one axis"),
        ("unit: cm", "unit: cm\nexpressions: [smile]", "lacks 'neutral'"),
        ("unit: cm", "unit: &a cm\nheads: *a", "alias"),
        ("unit: cm", "unit: !!python/object/apply:os.system [ls]", "not YAML"),
        ("unit: cm", "unit: [", "not YAML at line"),
    ],
)
def test_a_wrong_field_is_one_sentence(tmp_path: Path, old: str, new: str, told: str) -> None:
    with pytest.raises(SpecError, match=told) as error:
        load_external(write(tmp_path, SPEC.replace(old, new, 1)))
    assert "\n" not in str(error.value)


def test_a_spec_without_an_end_is_not_read(tmp_path: Path) -> None:
    path = write(tmp_path)
    path.write_bytes(b"#" * (1024 * 1024))
    with pytest.raises(SpecError, match="larger than"):
        load_external(path)


def test_the_schema_names_every_field_of_both_kinds() -> None:
    schema = json_schema()
    assert set(schema["$defs"]) >= {"AssetsSpec", "CommandSpec", "Environment"}
    assert all(not part.get("additionalProperties", True) for part in schema["$defs"].values())
    assert {"argv", "timeout_s", "disk_mib"} <= set(schema["$defs"]["CommandSpec"]["required"])


def test_one_broken_spec_hides_no_other(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "a")
    write(tmp_path / "a", "not a mapping", "broken")
    write(tmp_path / "a", SPEC.replace("made", "oracle"), "oracle")
    write(tmp_path / "b")
    missing = tmp_path / "missing"
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("IDTO3D_METHODS", os.pathsep.join(map(str, (tmp_path / "a", tmp_path / "b", missing))))
    found = known_methods()
    assert "made" in found.specs
    assert found.specs["oracle"].kind == "ceiling"
    told = {each.name: each.reason for each in found.broken}
    assert set(told) == {"broken", "oracle", "made", "missing"}
    assert "expected a mapping of fields" in told["broken"]
    assert "the name of a native method" in told["oracle"]
    assert "another found before" in told["made"]
    with pytest.raises(UserError, match="expected a mapping"):
        found.spec("broken")


def test_methods_here_are_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write(tmp_path / "methods")
    monkeypatch.chdir(tmp_path)
    assert "made" in known_methods().specs


def test_a_package_that_cannot_be_imported_hides_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "offers_methods.py").write_text(
        f"folder = {str(write(tmp_path / 'specs').parent)!r}\nnumber = 3\n"
    )
    (tmp_path / "fails_to_import.py").write_text("import sys\nsys.exit('no')\n")
    monkeypatch.syspath_prepend(tmp_path)
    entries = [
        EntryPoint("bad", "fails_to_import:x", discovery.GROUP),
        EntryPoint("odd", "offers_methods:number", discovery.GROUP),
        EntryPoint("good", "offers_methods:folder", discovery.GROUP),
    ]
    monkeypatch.setattr(discovery, "entry_points", lambda **_: entries)
    found = known_methods()
    assert "made" in found.specs
    assert {each.name for each in found.broken} >= {"bad", "odd"}


def test_names_cannot_leave_the_folder(tmp_path: Path) -> None:
    method = load_external(write(tmp_path))
    spec = spec_of(method.settings)
    for identity in ("../secret", "a/b", "..", ""):
        with pytest.raises(UserError, match="plain name"):
            head_files(spec, tmp_path, identity, 0, ("neutral",))


def test_only_what_is_asked_for_is_in_the_key(tmp_path: Path) -> None:
    method = load_external(write(tmp_path))
    for person in ("ann", "bob"):
        (tmp_path / "heads" / person).mkdir(parents=True)
        (tmp_path / "heads" / person / "neutral.glb").write_bytes(person.encode())
    before = content_hashes(method, "ann", 0, ("neutral", "smile"))
    assert list(before) == ["ann/neutral.glb"]
    (tmp_path / "heads" / "bob" / "neutral.glb").write_bytes(b"other")
    assert content_hashes(method, "ann", 0, ("neutral", "smile")) == before
    (tmp_path / "heads" / "ann" / "smile.glb").write_bytes(b"new")
    assert content_hashes(method, "ann", 0, ("neutral", "smile")) != before
