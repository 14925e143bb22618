"""The project's readers as the corpus calls them: a file or folder in, nothing out, or what they raise."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from pathlib import Path

SHIPPED = Path(__file__).parents[2] / "idto3d" / "weights"


def photo(path: Path) -> None:
    """A photograph of a person."""
    from idto3d.identity.given_photo import read_given_photo

    read_given_photo(path)


def mesh(path: Path) -> None:
    """A GLB, OBJ or PLY of a method from outside."""
    from idto3d.foreign.meshes import read_foreign_mesh

    read_foreign_mesh(path.parent, path.name, "m")


def head(path: Path) -> None:
    """A head of a head asset."""
    from idto3d.given_asset import read_given

    read_given(path.parent, path.stem)


def manifest(path: Path) -> None:
    """What a head asset says of itself."""
    from idto3d.given_asset import read_given_manifest

    read_given_manifest(path.parent)


def protocol(path: Path) -> None:
    """A protocol that a user wrote."""
    from idto3d_protocols import load_protocol

    load_protocol(path)


def method(path: Path) -> None:
    """A method from outside."""
    from idto3d_baselines.external_spec import load_external

    load_external(path)


def recogniser(path: Path) -> None:
    """A recogniser that a user brings."""
    from idto3d_eval.named_weights import open_recogniser
    from idto3d_eval.recognisers import Found

    card = path.with_name(f"{path.stem}.card.json")
    open_recogniser(Found(path.stem, path, card if card.exists() else None))


def reader(path: Path) -> None:
    """A face reader."""
    from idto3d.identity.reader import load_reader
    from idto3d.weight_bounds import check_weights

    check_weights(path.parent)
    load_reader(path)


def face_adapter(path: Path) -> None:
    """An adapter for faces, as safetensors or torch's own file."""
    from idto3d.guidance.face_adapter import read_face_adapter
    from idto3d.weight_bounds import check_weights

    check_weights(path.parent)
    read_face_adapter(path)


def directions(path: Path) -> None:
    """What words mean to a prior."""
    from idto3d.guidance.word_directions import WordDirections
    from idto3d.weight_bounds import check_weights

    check_weights(path.parent)
    WordDirections.read(path.parent)


def archive(path: Path) -> None:
    """A run's archive."""
    from idto3d_eval.archive_file import read_archive

    read_archive(path)


def record(path: Path) -> None:
    """What the index remembers of a job; one that cannot be read counts as none."""
    from idto3d_eval.store import Store

    index = path.parent / "index"
    index.mkdir()
    shutil.copy(path, index)
    Store(path.parent).record(path.stem)


def scores(path: Path) -> None:
    """A finished run of which one file is another: compared with the sound run, and opened for looking at."""
    from idto3d_dashboard.reading.run import open_run
    from idto3d_dashboard.reading.values import person_rows
    from idto3d_eval.compare import compare_runs
    from idto3d_eval.score_file import damage_told

    sound = Path(os.environ["HOSTILE_RUN"])
    for name in ("summary.json", "protocol.json", "scores.parquet"):
        if not (path.parent / name).exists():
            shutil.copy(sound / name, path.parent)
    compare_runs(path.parent, sound, ["identity_similarity"])
    with damage_told(path.parent):  # as the dashboard does around each page
        run = open_run(path.parent)
        run.by_identity().collect()
        person_rows(run, run.labels, run.identities[0])


def weights(path: Path) -> None:
    """A folder of weights that a row of a protocol names: a prior, with all that the case leaves as it is."""
    from idto3d.guidance.folder_bounds import check_model_folder
    from idto3d.guidance.guidance import Guidance

    del path  # one of the folder's files
    folder = Path.cwd()
    for each in (SHIPPED / "guidance").rglob("*"):
        place = folder / each.relative_to(SHIPPED / "guidance")
        if each.is_file() and not place.exists() and "lora_texture" not in each.parts:
            place.parent.mkdir(parents=True, exist_ok=True)
            place.symlink_to(each)
    check_model_folder(folder)
    Guidance.from_folder(folder, "geometry")


READERS: dict[str, Callable[[Path], None]] = {
    each.__name__: each
    for each in (
        photo,
        mesh,
        head,
        manifest,
        protocol,
        method,
        recogniser,
        reader,
        face_adapter,
        directions,
        archive,
        record,
        scores,
        weights,
    )
}
