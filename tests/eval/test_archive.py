"""Archives: the same bytes for the same run, enough to continue a long table, and trusted in nothing."""

from __future__ import annotations

import io
import json
import random
import shutil
import struct
import zipfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import fake_stages as fake
import numpy as np
import pytest
from rich.console import Console

from idto3d.errors import UserError
from idto3d_eval import archive_file
from idto3d_eval.archive import write_archive
from idto3d_eval.archive_file import ArchiveError, archive_bytes, read_archive
from idto3d_eval.archive_members import check_arrays, check_rows, halved
from idto3d_eval.plan import plan_run
from idto3d_eval.run import RunResult, run_protocol
from idto3d_eval.store import Record
from idto3d_protocols.schema import Protocol

ROWS = (
    "{method: good, label: good}, {method: good, label: swapped, photos_of: next},"
    " {method: other, label: broken, parameters: {behaviour: raise, only: heldout-0001}},"
    " {method: truth, label: truth}"
)
SHORT = fake.protocol(methods=f"[{ROWS}]")
LONG = fake.protocol(methods=f"[{ROWS}, {{method: other, label: added}}]")


def run(root: Path, protocol: Protocol, archive: Path | None = None) -> RunResult:
    weights = root.parent / "weights"
    weights.mkdir(exist_ok=True)
    for name in ("prior.safetensors", "reader_scoring.onnx"):
        if not (weights / name).exists():
            (weights / name).write_bytes(name.encode())
    return run_protocol(
        protocol,
        root,
        progress=False,
        workers=2,
        weights=weights,
        methods=fake.METHODS,
        stages=fake.TABLE,
        console=Console(file=io.StringIO()),
        archive=archive,
    )


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The archive of a finished run of four rows, one of which has a failure."""
    root = tmp_path_factory.mktemp("packed") / "run"
    run(root, SHORT)
    write_archive(root, root.parent / "run.zip")
    return root.parent / "run.zip"


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same with one row more, made in one go."""
    root = tmp_path_factory.mktemp("undisturbed") / "run"
    run(root, LONG)
    return root


def records(root: Path) -> dict[str, Record]:
    found = (Record(**json.loads(path.read_text())) for path in sorted((root / "index").rglob("*.json")))
    return {record.job: record for record in found}


def made_here(root: Path) -> set[str]:
    return {job for job, record in records(root).items() if not record.archived} - {"summary.json"}


def figures(root: Path) -> Any:
    """A summary without what the machine's clock and the archive itself put into it."""
    summary = json.loads((root / "summary.json").read_text())
    for row in summary["rows"]:
        row["costs"] = {name: value for name, value in row["costs"].items() if name.startswith("guidance")}
        row["archived"] = ""
    summary["provenance"]["archives"] = {}
    summary["sections"] = [own for own in summary["sections"] if not own["title"].startswith("Cost")]
    return summary


def test_a_long_table_goes_on_from_an_archive_with_only_the_new_row_made(
    tmp_path: Path, packed: Path, undisturbed: Path
) -> None:
    root = tmp_path / "run"
    result = run(root, LONG, packed)
    people = LONG.population.identities
    new = {f"{kind}/added/{name}/seed-0" for kind in ("heads", "views", "features") for name in people}
    photos = {f"identities/{name}" for name in people}  # drawn again, for the new row's method to see
    assert made_here(root) == new | photos | {"scores/added"}
    assert result.computed == len(new | photos) + 1
    assert not (root / "heads/good").exists()
    assert not (root / "views/good").exists()
    assert (root / "scores.parquet").read_bytes() == (undisturbed / "scores.parquet").read_bytes()
    assert figures(root) == figures(undisturbed)


def test_rows_from_an_archive_say_so_and_keep_their_costs(tmp_path: Path, packed: Path) -> None:
    root = tmp_path / "run"
    run(root, LONG, packed)
    summary = json.loads((root / "summary.json").read_text())
    (sha,) = summary["provenance"]["archives"]
    assert sha == read_archive(packed).sha256
    assert summary["provenance"]["archives"][sha] == [
        "good",
        "swapped",
        "swapped_as_photos",
        "broken",
        "truth",
    ]
    assert [row["label"] for row in summary["rows"] if not row["archived"]] == ["added"]
    before = json.loads((packed.parent / "run" / "summary.json").read_text())
    costs = {row["label"]: row["costs"] for row in before["rows"]}
    assert all(row["costs"] == costs[row["label"]] for row in summary["rows"] if row["archived"])
    assert "from an archive" in (root / "report.md").read_text()
    assert sha in (root / "report.html").read_text()
    assert "RuntimeError: the loss is NaN" in (root / "report.md").read_text()


def test_a_finished_run_that_is_unpacked_is_a_no_op_and_packs_to_the_same_bytes(
    tmp_path: Path, packed: Path
) -> None:
    root = tmp_path / "run"
    assert run(root, SHORT, packed).computed == 0
    before = {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()}
    assert run(root, SHORT, packed).computed == 0
    assert run(root, SHORT).computed == 0
    assert {path: path.stat().st_mtime_ns for path in root.rglob("*") if path.is_file()} == before
    write_archive(root, tmp_path / "again.zip")
    assert (tmp_path / "again.zip").read_bytes() == packed.read_bytes()


def test_a_row_of_which_anything_changed_is_made_again_as_a_whole(tmp_path: Path, packed: Path) -> None:
    root = tmp_path / "run"
    run(root, fake.protocol(methods=f"[{ROWS}]".replace("good, label: good", "other, label: good")), packed)
    made = sorted(job for job in made_here(root) if not job.startswith("identities"))
    assert {job.split("/")[1] for job in made} == {"good"}
    assert [job.split("/")[0] for job in made] == ["features"] * 2 + ["heads"] * 2 + ["scores"] + [
        "views"
    ] * 2


@pytest.mark.parametrize("weight", ["prior.safetensors", "reader_scoring.onnx"])
def test_a_changed_weight_leaves_what_does_not_read_it(tmp_path: Path, packed: Path, weight: str) -> None:
    """Heads are made again for either; scores stand here, since fake heads come out the same."""
    root = tmp_path / "run"
    (tmp_path / "weights").mkdir()
    (tmp_path / "weights" / weight).write_bytes(b"2")
    run(root, SHORT, packed)
    from_archive = {job.split("/")[0] for job, record in records(root).items() if record.archived}
    assert from_archive == {"gallery", "photos", "references", "scores"}
    assert len({job for job in made_here(root) if job.startswith("features/")}) == 4 * 2


def test_one_more_person_keeps_what_is_known_of_the_others(tmp_path: Path, packed: Path) -> None:
    root = tmp_path / "run"
    run(root, fake.protocol(people=3, methods=f"[{ROWS}]"), packed)
    kept = {job for job, record in records(root).items() if record.archived}
    assert kept == {
        "gallery",
        *(f"{kind}/heldout-000{n}" for kind in ("photos", "references") for n in (0, 1)),
    }


def test_a_row_that_is_scored_twice_is_made_again_for_the_score_that_is_lost(
    tmp_path: Path, packed: Path, undisturbed: Path
) -> None:
    root = tmp_path / "run"
    run(root, SHORT, packed)
    shutil.rmtree(root / "scores/swapped_as_photos")
    run(root, LONG)
    assert "heads/swapped/heldout-0000/seed-0" in made_here(root)
    assert records(root)["scores/swapped"].archived
    assert (root / "scores.parquet").read_bytes() == (undisturbed / "scores.parquet").read_bytes()


def test_photos_that_come_out_otherwise_here_take_down_what_was_made_from_them(
    tmp_path: Path, packed: Path
) -> None:
    """Another library may compress another JPEG: what was made from the old one is not mixed with it."""
    read = read_archive(packed)
    other = tuple(
        record.model_copy(update={"digest": "0" * 64}) if record.job == "identities/heldout-0000" else record
        for record in read.records
    )
    keys = {record.job: record.key for record in read.records}
    root = tmp_path / "run"
    # Keys that follow from the other digest, as the machine that had it would have computed them.
    weights = packed.parent / "weights"
    digests = {record.job: record.digest for record in other}
    plan = plan_run(SHORT, weights, fake.METHODS, fake.STAGES)
    keys |= {job.name: job.key({need: digests[need] for need in job.needs}) for job in plan.jobs}
    rekeyed = tuple(record.model_copy(update={"key": keys[record.job]}) for record in other)
    (tmp_path / "other.zip").write_bytes(archive_bytes(SHORT, rekeyed, read.files))
    assert run(root, SHORT, tmp_path / "other.zip").computed == 0
    run(root, LONG)
    found = records(root)
    assert not found["photos/heldout-0000"].archived
    assert found["photos/heldout-0001"].archived
    assert not any(record.archived for job, record in found.items() if job.startswith("heads/"))
    assert (root / "heads/good/heldout-0001").exists()  # its row is one of those taken down


def test_a_new_row_changes_no_other_rows_keys(tmp_path: Path) -> None:
    def keys(protocol: Protocol) -> dict[str, str]:
        found: dict[str, str] = {}
        for job in plan_run(protocol, tmp_path, fake.METHODS, fake.STAGES).jobs:
            found[job.name] = job.key(found)
        return found

    before, after = keys(SHORT), keys(LONG)
    assert before.items() <= after.items()
    assert all("added" in job for job in after.keys() - before.keys())


def test_only_scored_rows_are_packed(tmp_path: Path) -> None:
    root = tmp_path / "run"
    run(root, LONG)
    shutil.rmtree(root / "scores/added")
    told = write_archive(root, tmp_path / "run.zip")
    assert told.left_out == ("added",)
    assert "good" in told.rows
    with pytest.raises(UserError, match=r"Found no run at .*nothing"):
        write_archive(tmp_path / "nothing", tmp_path / "nothing.zip")


def test_another_version_is_refused_and_writes_nothing(tmp_path: Path, packed: Path) -> None:
    root = tmp_path / "run"
    with pytest.raises(ArchiveError, match=r"archive of fake version 1 .* expected one of fake version 2"):
        run(root, fake.protocol(methods=f"[{ROWS}]", version="2"), packed)
    assert not (root / "index").exists()


def rezipped(path: Path, change: Callable[[dict[str, bytes]], Any]) -> bytes:
    """An archive with other members, zipped by the book."""
    with zipfile.ZipFile(path) as packed:
        members = {name: packed.read(name) for name in packed.namelist()}
    change(members)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as out:
        for name, data in members.items():
            out.writestr(name, data)
    return buffer.getvalue()


def relisted(path: Path, change: Callable[[dict[str, bytes]], Any]) -> bytes:
    """The same, its list of members true to them: what somebody with intent would write."""
    import hashlib

    def both(members: dict[str, bytes]) -> None:
        change(members)
        header = json.loads(members["archive.json"])
        header["files"] = {
            name: hashlib.sha256(data).hexdigest() for name, data in members.items() if name != "archive.json"
        }
        members["archive.json"] = json.dumps(header).encode()

    return rezipped(path, both)


ROWS_MEMBER = "files/scores/good/rows.json"
HOSTILE: Mapping[str, Callable[[Path], bytes]] = {
    "empty": lambda _: b"",
    "no zip": lambda _: b"PK" * 500,
    "truncated": lambda path: path.read_bytes()[:-100],
    "a flipped bit": lambda path: bytes(
        byte ^ (64 if at == 3000 else 0) for at, byte in enumerate(path.read_bytes())
    ),
    "another file": lambda path: rezipped(path, lambda members: members.update({ROWS_MEMBER: b"[]"})),
    "a missing file": lambda path: rezipped(path, lambda members: members.pop(ROWS_MEMBER)),
    "another file, relisted": lambda path: relisted(
        path, lambda members: members.update({ROWS_MEMBER: b"[]"})
    ),
    "a path upwards": lambda path: relisted(
        path, lambda members: members.update({"files/../../evil.json": b"1"})
    ),
    "an absolute path": lambda path: relisted(path, lambda members: members.update({"/tmp/evil.json": b"1"})),
    "a picture": lambda path: relisted(
        path, lambda members: members.update({"files/identities/heldout-0000/a.png": b"1"})
    ),
    "a bomb": lambda path: relisted(path, lambda members: members.update({ROWS_MEMBER: bytes(33 << 20)})),
    "many bombs": lambda path: relisted(
        path,
        lambda members: members.update({f"files/scores/good/{n}.json": bytes(31 << 20) for n in range(9)}),
    ),
    "nested rows": lambda path: relisted(path, lambda members: members.update({ROWS_MEMBER: b"[" * 200_000})),
    "no number": lambda path: relisted(
        path,
        lambda members: members.update({ROWS_MEMBER: members[ROWS_MEMBER].replace(b"0.", b"1e999, 0.", 1)}),
    ),
    "a job upwards": lambda path: relisted(
        path,
        lambda members: members.update(
            {
                "archive.json": members["archive.json"].replace(
                    b"heads/good/heldout-0000", b"heads/../../../held"
                )
            }
        ),
    ),
    "another schema": lambda path: relisted(
        path,
        lambda members: members.update(
            {"archive.json": members["archive.json"].replace(b'"schema_version":1', b'"schema_version":2')}
        ),
    ),
    "no protocol": lambda path: relisted(path, lambda members: members.update({"protocol.json": b"{}"})),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_a_damaged_or_hostile_archive_is_one_sentence_and_writes_nothing(
    tmp_path: Path, packed: Path, name: str
) -> None:
    path = tmp_path / "evil.zip"
    path.write_bytes(HOSTILE[name](packed))
    with pytest.raises(ArchiveError) as told:
        run(tmp_path / "run", SHORT, path)
    sentence = str(told.value)
    assert sentence.startswith("Found")
    assert "expected" in sentence
    assert "\n" not in sentence
    assert not (tmp_path / "run" / "index").exists()
    assert not list(tmp_path.parent.rglob("evil.json"))


def test_random_damage_is_always_one_sentence(tmp_path: Path, packed: Path) -> None:
    whole, path, rng = packed.read_bytes(), tmp_path / "damaged.zip", random.Random(0)
    refused = 0
    for trial in range(400):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 4)):
            data[rng.randrange(len(data))] ^= 1 << rng.randrange(8)
        path.write_bytes(data[: rng.randrange(len(data))] if trial % 8 == 0 else data)
        sentence, found = "", None
        try:
            found = read_archive(path)
        except ArchiveError as error:
            refused, sentence = refused + 1, str(error)
        assert "\n" not in sentence
        if found is not None:  # a bit of a date or of a system's name, on which no content hangs
            assert found.files == read_archive(packed).files
            assert found.records == read_archive(packed).records
    assert refused > 300


def test_a_list_of_too_many_members_is_refused_before_it_is_read(tmp_path: Path, packed: Path) -> None:
    data = bytearray(packed.read_bytes())
    data[-12:-10] = struct.pack("<H", archive_file.MAX_MEMBERS + 1)
    path = tmp_path / "long.zip"
    path.write_bytes(data)
    with pytest.raises(ArchiveError, match="50001 members"):
        read_archive(path)


def test_a_huge_or_missing_file_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(archive_file, "MAX_BYTES", 1000)
    path = tmp_path / "huge.zip"
    path.write_bytes(bytes(1001))
    with pytest.raises(ArchiveError, match="more than"):
        read_archive(path)
    with pytest.raises(ArchiveError, match="no readable archive"):
        read_archive(tmp_path / "none.zip")


def npz(**arrays: Any) -> bytes:
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=True, **arrays)
    return buffer.getvalue()


def test_arrays_that_need_pickle_or_unpack_to_too_much_are_refused() -> None:
    check_arrays(npz(a=np.zeros((3, 4)), b=np.array(["x"])))
    with pytest.raises(ValueError, match="Python objects"):
        check_arrays(npz(a=np.array([{}], dtype=object)))
    with pytest.raises(ValueError, match="1 arrays of"):
        check_arrays(npz(a=np.zeros(65 << 17)))
    short = io.BytesIO()
    with zipfile.ZipFile(short, "w") as packed:
        header = io.BytesIO()
        np.lib.format.write_array_header_1_0(
            header, {"descr": "<f8", "fortran_order": False, "shape": (1 << 40,)}
        )
        packed.writestr("a.npy", header.getvalue())
    with pytest.raises(ValueError, match="does not hold"):
        check_arrays(short.getvalue())


def test_readings_keep_eleven_bits_and_what_is_missing() -> None:
    rng = np.random.default_rng(0)
    given = {
        "embeddings": rng.normal(size=(5, 7, 128)).astype(np.float32) / 11,
        "landmarks": rng.uniform(0, 192, size=(5, 7, 68, 2)).astype(np.float32),
        "far": np.array([1e6]),
        "names": np.array(["neutral"]),
    }
    given["embeddings"][0, 0] = np.nan
    small = halved(npz(**given))
    assert halved(small) == small
    with np.load(io.BytesIO(small)) as kept:
        assert kept["embeddings"].dtype == np.float16
        assert np.isnan(kept["embeddings"][0, 0]).all()
        assert np.nanmax(np.abs(kept["embeddings"] - given["embeddings"])) < 1e-3
        assert np.abs(kept["landmarks"].astype(float) - given["landmarks"]).max() < 0.1
        assert kept["far"] == given["far"]
        assert kept["names"] == given["names"]


@pytest.mark.parametrize(
    "rows",
    ["{}", "[1]", '[["a","","",0,"m",1.0]]', '[["a","","",0,"m",null,""]]', '[["a","","","0","m",1.0,""]]'],
)
def test_score_rows_of_another_form_are_refused(rows: str) -> None:
    check_rows(b'[["a","","",0,"m",1.0,""],["a","","",0,"m",null,"no face"]]')
    with pytest.raises(ValueError, match="score row"):
        check_rows(rows.encode())
