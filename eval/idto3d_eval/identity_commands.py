"""`idto3d-eval identities add|remove`: a user's own people, and their takedown."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def mount(group: typer.Typer) -> None:
    """Put the commands beside `identities ls` and `show`."""
    group.command("add")(add)
    group.command("remove")(remove)


def add(
    folder: Annotated[Path, typer.Argument(help="A folder of photos for each person, or the photos of one.")],
    licence: Annotated[str, typer.Option(help="Under which the photos may be used.")],
    consent: Annotated[str, typer.Option(help="Who agreed, to what and when; or why none is needed.")],
    detector: Annotated[
        Path | None, typer.Option(help="ONNX weights of a face detector; the shipped reader otherwise.")
    ] = None,
    kind: Annotated[str, typer.Option(help="What the detector is: yunet or scrfd.")] = "yunet",
    split: Annotated[str, typer.Option(help="What tables call the set.")] = "photographs",
) -> None:
    """Take people from photographs, with consent and licence; photos that condition and score stay apart."""
    from idto3d.errors import UserError
    from idto3d.identity.detector import DETECTORS
    from idto3d.identity.reader import load_reader
    from idto3d.weight_bounds import check_weights
    from idto3d_eval.added_identities import add_identities
    from idto3d_eval.face_check import FaceCheck
    from idto3d_eval.single import shipped_weights

    if detector is None:
        check = FaceCheck(
            "reader_methods.onnx", reader=load_reader(shipped_weights() / "reader_methods.onnx")
        )
        typer.echo(
            "Checked by the shipped reader, which has seen synthetic faces alone and finds one in nearly "
            "every picture; name a detector of real faces with --detector.",
            err=True,
        )
    elif kind not in DETECTORS:
        raise UserError(f"Found the detector {kind!r}, expected one of {', '.join(DETECTORS)}.")
    else:
        check_weights(detector)
        check = FaceCheck(f"{kind} ({detector.name})", detector=DETECTORS[kind](detector))
    for person in add_identities(folder, licence, consent, check, split):
        counts = ", ".join(f"{len(hashes)} {name}" for name, hashes in person.photos.items())
        typer.echo(f"{person.facts.id}: {counts}; {person.path}")


def remove(
    identity: Annotated[str, typer.Argument(metavar="ID", help="Whose photos and results are removed.")],
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
) -> None:
    """Remove a person's photos, renders, readings and scores everywhere, and say what became void."""
    from idto3d_eval.takedown import take_down

    removed = take_down(identity, runs)
    typer.echo(
        f"{identity}: {'photographs removed' if removed.photographs else 'no photographs in the store'}, "
        f"{len(removed.jobs)} artefacts of runs removed."
    )
    for sentence in removed.void:
        typer.echo(f"Void: {sentence}.")
