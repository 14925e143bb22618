"""A secret in the shell that starts a run reaches no worker, and so no log, manifest, report or archive."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import fake_stages as fake
import leaky_stages
import pytest
from rich.console import Console

from idto3d_eval.archive import write_archive
from idto3d_eval.environment import asked_for, drop_others, handed_on, is_handed_on, without_others
from idto3d_eval.run import run_protocol

SECRETS = (
    *("AWS_SECRET_ACCESS_KEY", "AWS_ACCESS_KEY_ID", "HF_TOKEN", "SOME_API_KEY", "GITHUB_TOKEN", "PGPASSWORD"),
    *("IDTO3D_STUDY_PASSWORD", "RAY_AUTH_TOKEN", "CUDA_PRIVATE_THING", "ANYTHING_ELSE", "https_proxy"),
)
ROWS = (
    "[{method: good, label: good},"
    " {method: other, label: leaky, parameters: {behaviour: leak, only: heldout-0001}}]"
)
MARK = "a-place-that-workers-know"


@pytest.fixture
def planted(monkeypatch: pytest.MonkeyPatch) -> None:
    """Secrets under many names, and one variable that workers get."""
    for name in SECRETS:
        monkeypatch.setenv(name, f"{leaky_stages.PLANTED}-{name}")
    monkeypatch.setenv("IDTO3D_MARK", MARK)


def run(root: Path, executor: str) -> str:
    """Runs one method that works and one that tells everything and fails; returns what was printed."""
    said = io.StringIO()
    run_protocol(
        fake.protocol(methods=ROWS),
        root,
        progress=False,
        workers=1,
        executor=executor,
        weights=root.parent / "weights",
        methods=fake.METHODS,
        stages=leaky_stages.TABLE,
        console=Console(file=said, width=200),
    )
    return said.getvalue()


def all_bytes(folder: Path) -> dict[str, bytes]:
    """Every file of a folder, members of zips unpacked."""
    found = {}
    for path in folder.rglob("*"):
        if path.is_file():
            found[str(path)] = path.read_bytes()
        if path.suffix == ".zip":
            with zipfile.ZipFile(path) as packed:
                found |= {f"{path}:{name}": packed.read(name) for name in packed.namelist()}
    return found


@pytest.mark.parametrize("executor", ["local", "ray"])
@pytest.mark.usefixtures("planted")
def test_a_planted_secret_is_in_no_file_of_a_run(tmp_path: Path, executor: str) -> None:
    """The method prints its environment into its log, which shows what it was given."""
    if executor == "ray":
        pytest.importorskip("ray", reason="the extra `ray` is not installed")
    said = run(tmp_path / "run", executor)
    write_archive(tmp_path / "run", tmp_path / "run.zip")
    files = all_bytes(tmp_path)
    assert len(files) > 30
    leaky = [data for name, data in files.items() if "leaky" in name and name.endswith(".log")]
    assert any(MARK.encode() in data for data in leaky), "the method told nothing: the test proves nothing"
    assert [name for name, data in files.items() if leaky_stages.PLANTED.encode() in data] == []
    assert leaky_stages.PLANTED not in said


@pytest.mark.usefixtures("planted")
def test_only_names_on_the_list_are_handed_on() -> None:
    """What a method's file asks for by name is handed on too, whatever its name."""
    assert not set(SECRETS) & set(handed_on())
    assert handed_on()["IDTO3D_MARK"] == MARK
    assert set(handed_on({"SOME_API_KEY"})) - set(handed_on()) == {"SOME_API_KEY"}


def test_what_a_method_asks_for_is_found_in_its_file() -> None:
    asking = fake.spec("a", kind="external-command", settings={"pass_environment": ["ARC2AVATAR"]})
    assert asked_for([asking, fake.spec("b")]) == {"ARC2AVATAR"}


@pytest.mark.parametrize(
    "name",
    [
        *("PATH", "HOME", "LC_ALL", "CUDA_VISIBLE_DEVICES", "IDTO3D_CACHE", "HF_HOME", "OMP_NUM_THREADS"),
        "RAY_AUTH_MODE",  # says whether a cluster asks for a token, and holds none
    ],
)
def test_workers_know_programs_devices_and_caches(name: str) -> None:
    assert is_handed_on(name)


@pytest.mark.usefixtures("planted")
def test_others_are_gone_for_a_while_or_for_good(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    before = dict(os.environ)
    with without_others():
        assert "SOME_API_KEY" not in os.environ
    assert dict(os.environ) == before
    monkeypatch.setattr(os, "environ", dict(before))
    drop_others(["SOME_API_KEY"])
    assert [name for name in SECRETS if name in os.environ] == ["SOME_API_KEY"]
