"""The ladder: a sound method climbs it all, and each kind of fault is told on the rung where it shows."""

from __future__ import annotations

from pathlib import Path

import foreign_files as foreign
import pytest
from typer.testing import CliRunner

from idto3d.asset import read_expression
from idto3d.glb import encode_glb
from idto3d.population.people import draw_person
from idto3d.population.truth import true_meshes
from idto3d_baselines.discovery import known_methods
from idto3d_eval import cli
from idto3d_eval.conformance import RUNGS, climb

PERSON = "heldout-0000"


@pytest.fixture(scope="module")
def heads(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two expressions of one person as files."""
    folder = tmp_path_factory.mktemp("heads")
    for name, mesh in true_meshes(draw_person("heldout", 0, 0), ("neutral", "smile")).items():
        (folder / f"{name}.glb").write_bytes(encode_glb(mesh))
    return folder


def states(name: str, specs: Path) -> tuple[list[str], str]:
    """The rungs' states, and what the failed one told."""
    rungs = list(climb(name, methods=known_methods([specs])))
    assert tuple(rung.name for rung in rungs) == RUNGS
    return [rung.state for rung in rungs], next((rung.told for rung in rungs if rung.state == "failed"), "")


def test_a_fast_native_method_climbs_it_all() -> None:
    result = CliRunner().invoke(cli.app, ["methods", "check", "template_mean"])
    assert result.exit_code == 0, result.output
    assert [line.split()[0] for line in result.output.splitlines()] == ["ok"] * len(RUNGS)
    assert "to the byte" in result.output
    assert "0 guidance calls measured" in result.output


def test_a_program_climbs_it_all_and_its_bounds_are_told(tmp_path: Path, heads: Path) -> None:
    copy = f'cp "{heads}/neutral.glb" "{heads}/smile.glb" "$1"\n'
    path = foreign.write_command_spec(tmp_path, "copies", copy)
    path.write_text(path.read_text().replace("normalise: none", "normalise: pose"))
    rungs = list(climb("copies", methods=known_methods([tmp_path]), keep=tmp_path / "kept"))
    assert [rung.state for rung in rungs] == ["ok"] * len(RUNGS)
    assert "it stood in the head frame" in rungs[3].told
    assert "40 guidance calls declared, not measured" in rungs[5].told
    assert "of 60 s" in rungs[5].told
    again = read_expression(tmp_path / "kept" / "first", "smile")
    assert len(again.faces) == len(read_expression(heads, "smile").faces)


@pytest.mark.parametrize(
    ("script", "more", "rung", "told"),
    [
        ("exit 9\n", "", 2, "exit code 9"),
        ("cp HEADS/neutral.glb HEADS/smile.glb $1\n", "unit: cm", 2, "mend unit: in the spec"),
        (
            "cp HEADS/neutral.glb $1; cp HEADS/neutral.glb $1/smile.glb\n",
            "",
            3,
            "neutral and smile 0.000 mm apart",
        ),
        ("cp HEAD $1/neutral.glb; cp HEAD $1/smile.glb\n", "normalise: none", 3, "no readable face"),
    ],
)
def test_a_fault_is_told_on_its_rung(
    tmp_path: Path, heads: Path, script: str, more: str, rung: int, told: str
) -> None:
    path = foreign.write_command_spec(tmp_path, "faulty", script.replace("HEADS", str(heads)))
    text = path.read_text().replace("normalise: none", "normalise: pose")
    name, _, value = more.partition(": ")
    old = {"unit": "unit: m\n", "normalise": "normalise: pose\n"}.get(name, "")
    path.write_text(text.replace(old, f"{name}: {value}\n") if old else text)
    found, sentence = states("faulty", tmp_path)
    assert found == ["ok"] * rung + ["failed"] + ["skipped"] * (len(RUNGS) - rung - 1)
    assert told in sentence


def test_a_broken_spec_is_the_first_rung_and_the_exit_code_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.yaml").write_text("kind: external-assets\n")
    monkeypatch.setenv("IDTO3D_METHODS", str(tmp_path))
    result = CliRunner().invoke(cli.app, ["methods", "check", "broken"])
    assert result.exit_code == 1
    assert result.output.splitlines()[0].startswith("failed   spec: Method broken.yaml lacks the field")
    listed = CliRunner().invoke(cli.app, ["methods", "ls"])
    assert listed.exit_code == 0
    assert "Not listed" in listed.stderr


def test_the_schema_is_published() -> None:
    result = CliRunner().invoke(cli.app, ["methods", "schema"])
    assert '"discriminator"' in result.output
