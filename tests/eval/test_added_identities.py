"""A user's own people: consent recorded, photos checked and kept apart, runs over them, and takedown."""

from __future__ import annotations

import io
import json
import shutil
from pathlib import Path
from typing import Any

import fake_stages as fake
import numpy as np
import pytest
from PIL import Image
from rich.console import Console
from typer.testing import CliRunner

from idto3d.errors import UserError
from idto3d.identity.detector import Detection, YuNetDetector
from idto3d_eval.added_identities import add_identities, added_identities, added_identity
from idto3d_eval.archive import write_archive
from idto3d_eval.cli import Settings, app
from idto3d_eval.duplicates import difference_hash, nearly_equal
from idto3d_eval.face_check import FaceCheck
from idto3d_eval.keys import file_sha256
from idto3d_eval.plan import plan_run
from idto3d_eval.run import run_protocol
from idto3d_eval.takedown import take_down
from idto3d_protocols.schema import Protocol

LICENCE, CONSENT = "CC BY 4.0", "written consent of the person, 2026-01-01"
EXIF_ARTIST = 0x013B


class Everywhere:
    """A detector that finds a face in the middle of every picture that is not grey."""

    def detect(self, image: np.ndarray[Any, Any]) -> list[Detection]:
        if np.ptp(image) < 8:
            return []
        height, width = image.shape[:2]
        box = np.array([width * 0.3, height * 0.3, width * 0.4, height * 0.4])
        return [Detection(box, np.zeros((5, 2)), 1.0)]


CHECK = FaceCheck("a test's", detector=Everywhere())


@pytest.fixture(autouse=True)
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "identities"
    monkeypatch.setenv("IDTO3D_IDENTITIES", str(folder))
    return folder


def photo(path: Path, seed: int) -> Path:
    """A smooth random picture with an author in its EXIF."""
    path.parent.mkdir(parents=True, exist_ok=True)
    coarse = np.random.default_rng(seed).integers(0, 255, (7, 9, 3), np.uint8)
    exif = Image.Exif()
    exif[EXIF_ARTIST] = "somebody with a name"
    image = Image.fromarray(coarse).resize((240, 200), Image.Resampling.BICUBIC)
    image.save(path, quality=92, exif=exif)
    return path


def people(tmp_path: Path, *names: str, each: int = 4) -> Path:
    for number, name in enumerate(names):
        for k in range(each):
            photo(tmp_path / "given" / name / f"{k}.jpg", 100 * number + k)
    return tmp_path / "given"


def refusal(folder: Path, **changes: Any) -> str:
    asked = {"licence": LICENCE, "consent": CONSENT, "check": CHECK, **changes}
    with pytest.raises(UserError) as caught:
        add_identities(folder, **asked)
    message = str(caught.value)
    assert message.endswith(".")
    assert "\n" not in message
    return message


def test_people_are_taken_with_consent_and_their_photos_are_apart(tmp_path: Path) -> None:
    added = add_identities(people(tmp_path, "ann", "bob"), LICENCE, CONSENT, CHECK)
    assert [person.facts.id for person in added] == ["ann", "bob"]
    ann = added_identity("ann")
    assert (ann.facts.licence, ann.facts.consent) == (LICENCE, CONSENT)
    assert {name: len(hashes) for name, hashes in ann.photos.items()} == {"conditioning": 2, "scoring": 2}
    files = {name: sorted((ann.path / name).iterdir()) for name in ann.photos}
    hashes = [file_sha256(path) for paths in files.values() for path in paths]
    assert len(set(hashes)) == 4
    assert sorted(hashes) == sorted(sha for kept in ann.photos.values() for sha in kept.values())


def test_nothing_of_the_file_is_kept_but_the_face(tmp_path: Path) -> None:
    """No EXIF, and the picture is cut to the face with room around it."""
    add_identities(people(tmp_path, "ann") / "ann", LICENCE, CONSENT, CHECK)
    path = added_identity("ann").path / "scoring" / "00.jpg"
    with Image.open(path) as image:
        assert not image.getexif()
        assert image.size == (172, 172)  # 1.8 times 0.4 of 240
    assert b"somebody" not in path.read_bytes()


def test_one_photo_is_too_few(tmp_path: Path) -> None:
    message = refusal(people(tmp_path, "a07", each=1))
    assert message.startswith(
        "Found 1 photo for identity 'a07', expected at least 2 (one to condition on, one to score against)"
    )


@pytest.mark.parametrize("field", ["licence", "consent"])
def test_without_consent_or_licence_nobody_is_added(tmp_path: Path, store: Path, field: str) -> None:
    assert f"Found no {field}" in refusal(people(tmp_path, "ann"), **{field: "  "})
    assert not store.exists()


def test_nobody_is_added_unless_all_can_be(tmp_path: Path, store: Path) -> None:
    folder = people(tmp_path, "ann", "bob")
    Image.new("RGB", (200, 200), (90, 90, 90)).save(folder / "bob" / "9.png")
    assert "'9.png' of 'bob' (no face was detected)" in refusal(folder)
    assert list(store.iterdir()) == []
    assert added_identities() == []


@pytest.mark.parametrize("name", ["heldout-0003", "..", "a b", "shifted-0001-impostor-02"])
def test_an_id_that_means_something_else_is_refused(tmp_path: Path, name: str) -> None:
    folder = tmp_path / "given" / "x"
    photo(folder / "0.jpg", 0)
    if name == "..":
        assert "expected a new id" in _twice(tmp_path)
        return
    folder.rename(folder.with_name(name))
    assert "expected an id" in refusal(tmp_path / "given")


def _twice(tmp_path: Path) -> str:
    folder = people(tmp_path, "ann")
    shutil.rmtree(folder / "x")
    add_identities(folder, LICENCE, CONSENT, CHECK)
    return refusal(folder)


@pytest.mark.parametrize("change", ["same", "smaller", "mirrored", "compressed"])
def test_one_picture_twice_is_refused(tmp_path: Path, change: str) -> None:
    folder = people(tmp_path, "ann")
    with Image.open(folder / "ann" / "0.jpg") as image:
        copy = image.convert("RGB")
    if change == "smaller":
        copy = copy.resize((120, 100), Image.Resampling.BOX)
    if change == "mirrored":
        copy = copy.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
    copy.save(folder / "ann" / "9.jpg", quality=30 if change == "compressed" else 95)
    assert "one picture twice among the photos of 'ann' (0.jpg and 9.jpg)" in refusal(folder)


def test_a_photo_of_two_people_is_refused(tmp_path: Path) -> None:
    folder = people(tmp_path, "ann", "bob")
    shutil.copy(folder / "ann" / "1.jpg", folder / "bob" / "9.jpg")
    assert "'9.jpg' of 'bob' among the photos of 'ann'" in refusal(folder)


@pytest.mark.parametrize("kind", ["text", "truncated", "bomb", "huge"])
def test_hostile_files_are_a_sentence(tmp_path: Path, kind: str) -> None:
    folder = people(tmp_path, "ann")
    path = folder / "ann" / "9.png"
    if kind == "text":
        path.write_bytes(b"no image")
    elif kind == "truncated":
        path.write_bytes((folder / "ann" / "0.jpg").read_bytes()[:700])
    elif kind == "bomb":
        Image.new("1", (20_000, 20_000)).save(path)
    else:
        with path.open("wb") as file:
            file.truncate(100 * 2**20)
    assert "9.png" in refusal(folder)


def test_the_hash_tells_pictures_apart() -> None:
    rng = np.random.default_rng(0)
    pictures = [rng.integers(0, 255, (64, 64, 3), np.uint8) for _ in range(8)]
    assert difference_hash(pictures[0]).shape == (64,)
    assert nearly_equal(pictures[0], pictures[0])
    assert not any(nearly_equal(a, b) for i, a in enumerate(pictures) for b in pictures[:i])


def photographs(*ids: str, asked: int = 2, swap: bool = False) -> Protocol:
    rows = "{method: good, label: good}" + (", {method: good, label: s, photos_of: next}" if swap else "")
    return fake.protocol(
        population=f"{{label: photographs, split: photographs, population_seed: 0, identities: "
        f"[{', '.join(ids)}], conditioning_photos: {asked}, scoring_photos: 1}}",
        methods=f"[{rows}]",
    )


def run(tmp_path: Path, protocol: Protocol, name: str = "run") -> Path:
    root = tmp_path / "runs" / name
    run_protocol(
        protocol,
        root,
        progress=False,
        workers=1,
        weights=tmp_path / "weights",
        methods=fake.METHODS,
        stages="fake_stages:PHOTOGRAPHS",
        console=Console(file=io.StringIO()),
    )
    return root


def test_a_protocol_that_asks_for_more_photos_than_there_are_is_refused(tmp_path: Path) -> None:
    add_identities(people(tmp_path, "ann", "bob"), LICENCE, CONSENT, CHECK)
    with pytest.raises(UserError, match="Found 2 conditioning photos of 'ann', expected the 3"):
        plan_run(photographs("ann", "bob", asked=3), tmp_path, fake.METHODS, fake.PHOTOGRAPHS)
    with pytest.raises(UserError, match="Found no photographs of 'cat'"):
        plan_run(photographs("ann", "cat"), tmp_path, fake.METHODS, fake.PHOTOGRAPHS)


def test_a_run_holds_whose_photos_it_was_and_under_which_licence(tmp_path: Path) -> None:
    add_identities(people(tmp_path, "ann", "bob"), LICENCE, CONSENT, CHECK)
    root = run(tmp_path, photographs("ann", "bob"))
    told = json.loads((root / "identities" / "ann" / "identity.json").read_text())
    assert (told["licence"], told["consent"], told["population"]) == (LICENCE, CONSENT, "photographs")
    copied = [path.read_bytes() for path in sorted((root / "identities" / "ann").glob("*/*.jpg"))]
    kept = [path.read_bytes() for path in sorted(added_identity("ann").path.glob("*/*.jpg"))]
    assert copied == kept[:3]
    assert not (root / "references").exists()


def test_takedown_removes_a_person_everywhere_and_says_what_is_void(tmp_path: Path) -> None:
    """Photos, heads, views, readings, scores, tables, archive; and heads of others made from those photos."""
    add_identities(people(tmp_path, "ann", "bob", "cat"), LICENCE, CONSENT, CHECK)
    root = run(tmp_path, photographs("ann", "bob", "cat", swap=True))
    other = run(tmp_path, photographs("bob", "cat"), "other")
    write_archive(root, tmp_path / "runs" / "kept.zip")
    write_archive(other, tmp_path / "runs" / "others.zip")
    photos = [path.read_bytes() for path in added_identity("ann").path.glob("conditioning/*.jpg")]
    assert '"ann"' in (root / "summary.json").read_text()
    before = {path: path.read_bytes() for path in other.rglob("*") if path.is_file()}

    result = CliRunner().invoke(
        app, ["identities", "remove", "ann", "--runs", str(tmp_path / "runs")], obj=Settings()
    )
    assert result.exit_code == 0, result.output
    assert "photographs removed" in result.stdout
    assert "Void: run: every row of its table" in result.stdout
    assert "Void: kept.zip" in result.stdout
    assert "other" not in result.stdout

    left = [path for path in (tmp_path / "runs").rglob("*") if path.is_file()]
    assert not any("ann" in path.relative_to(tmp_path).parts for path in (tmp_path / "runs").rglob("*"))
    assert not any(one in path.read_bytes() for path in left for one in photos)
    assert not (root / "heads" / "s" / "cat").exists()  # the last in the list was made from ann's photos
    assert (root / "heads" / "good" / "bob").exists()
    assert not any((root / name).exists() for name in ("summary.json", "report.html", "scores.parquet"))
    assert not (root / "scores").exists() or not any((root / "scores").iterdir())
    assert json.loads((root / "void.json").read_text())[0]["removed"] == "ann"
    assert {path: path.read_bytes() for path in other.rglob("*") if path.is_file()} == before
    assert (tmp_path / "runs" / "others.zip").exists()
    with pytest.raises(UserError, match="Found nothing of 'ann'"):
        take_down("ann", tmp_path / "runs")


def test_the_others_can_be_run_again_after_a_takedown(tmp_path: Path) -> None:
    add_identities(people(tmp_path, "ann", "bob", "cat"), LICENCE, CONSENT, CHECK)
    run(tmp_path, photographs("ann", "bob", "cat"))
    take_down("ann", tmp_path / "runs")
    with pytest.raises(UserError, match="'ann'"):
        run(tmp_path, photographs("ann", "bob", "cat"))
    weights = tmp_path / "weights"
    assert plan_run(photographs("bob", "cat"), weights, fake.METHODS, fake.PHOTOGRAPHS).jobs


def test_the_list_shows_who_was_added(tmp_path: Path) -> None:
    add_identities(people(tmp_path, "ann"), LICENCE, CONSENT, CHECK)
    listed = CliRunner().invoke(app, ["identities", "ls", "--json"], obj=Settings()).stdout
    assert json.loads(listed)[-1] == {
        "id": "ann",
        "split": "photographs",
        "looks": f"4 photographs, {LICENCE}",
    }
    shown = CliRunner().invoke(app, ["identities", "show", "ann", "--json"], obj=Settings()).stdout
    assert json.loads(shown)["consent"] == CONSENT


@pytest.mark.shared_data
def test_real_portraits_are_taken_with_a_detector_of_real_faces(tmp_path: Path, shared_data: Path) -> None:
    """Two portraits of one person go in; with a copy of one of them they do not."""
    folder = tmp_path / "given" / "president"
    folder.mkdir(parents=True)
    for name in ("obama.jpg", "obama2.jpg"):
        (folder / name).write_bytes((shared_data / "portraits" / name).read_bytes())
    check = FaceCheck("yunet", detector=YuNetDetector(shared_data / "detector" / "yunet_n_dynamic.onnx"))
    (person,) = add_identities(folder.parent, "public domain", "not needed: public domain", check)
    assert {name: len(hashes) for name, hashes in person.photos.items()} == {"conditioning": 1, "scoring": 1}
    shutil.rmtree(person.path)
    with Image.open(folder / "obama.jpg") as image:
        image.convert("RGB").resize((455, 568)).save(folder / "small.jpg", quality=40)
    assert "one picture twice" in refusal(folder.parent, check=check)


def test_a_row_whose_weights_are_not_there_has_no_heads_and_says_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The others stand, the run ends well, and the row is made once the folder is there."""
    monkeypatch.chdir(tmp_path)
    rows = "[{method: good, label: good}, {method: good, label: share, weights: weights/share}]"
    protocol = fake.protocol(methods=rows)

    def go() -> Any:
        return run_protocol(
            protocol,
            tmp_path / "run",
            progress=False,
            workers=1,
            weights=tmp_path / "shipped",
            methods=fake.METHODS,
            stages=fake.TABLE,
            console=Console(file=io.StringIO()),
        )

    first = go()
    assert any("Found no weights at" in sentence for sentence in first.without_heads)
    (tmp_path / "weights" / "share").mkdir(parents=True)
    (tmp_path / "weights" / "share" / "prior.safetensors").write_bytes(b"1")
    assert go().without_heads == ()
