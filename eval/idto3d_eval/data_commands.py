"""The commands `data prepare nersemble` and `data prepare csv`: one's own pictures as training arrays."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from idto3d.train.frames import Layout

prepare = typer.Typer(
    help="Turn pictures of people into what `train guidance` reads.",
    no_args_is_help=True,
    rich_markup_mode=None,
)

Out = Annotated[Path, typer.Option(help="Folder that the arrays are written to; the same command goes on.")]
Recogniser = Annotated[
    Path | None,
    typer.Option(help="ArcFace ONNX, or a pack's folder. The shipped one saw synthetic faces only."),
]
Detector = Annotated[Path | None, typer.Option(help="YuNet's ONNX, for pictures in which faces are small.")]
Normals = Annotated[
    Path | None, typer.Option(help="ONNX that estimates normal maps, where none are supplied.")
]
Resolution = Annotated[int, typer.Option(help="Pixels a side: 64 for the tiny base, 512 for SD 1.5.")]
Crops = Annotated[int, typer.Option(help="Crops of each picture: the whole head, then parts of the face.")]
HeldOut = Annotated[float, typer.Option(help="Share of people that training never sees; at least one.")]
Licence = Annotated[str | None, typer.Option(help="Licence or consent that the pictures are used under.")]


@prepare.command()
def nersemble(
    folder: Annotated[Path, typer.Argument(help="Folder of the participants: frames (v1) or videos (v2).")],
    out: Out,
    moments: Annotated[int, typer.Option(help="Evenly spaced times taken of each sequence.")] = 12,
    labels: Annotated[
        Path | None, typer.Option(help="CSV: participant, sequence, frame, expression. Else it is read.")
    ] = None,
    licence: Licence = None,
    recogniser: Recogniser = None,
    detector: Detector = None,
    normals_model: Normals = None,
    resolution: Resolution = 64,
    crops: Crops = 2,
    held_out: HeldOut = 0.1,
) -> None:
    """Prepare NeRSemble: cameras fitted over the rig, sequences mapped to our expressions, the others listed.

    Your own masks and normal maps lie in SEQUENCE/frame_00012/alpha_map and …/normals as cam_SERIAL.png.
    """
    from idto3d.train.nersemble import read_nersemble

    layout = read_nersemble(folder, moments=moments, labels=labels, licence=licence)
    _prepare(layout, out, recogniser, detector, normals_model, resolution, crops, held_out)


@prepare.command("csv")
def from_csv(
    file: Annotated[Path, typer.Argument(help="One line a picture, with a header.")],
    out: Out,
    licence: Licence = None,
    recogniser: Recogniser = None,
    detector: Detector = None,
    normals_model: Normals = None,
    resolution: Resolution = 64,
    crops: Crops = 2,
    held_out: HeldOut = 0.1,
) -> None:
    """Prepare the pictures that a CSV lists; a line that does not fit is left out and named with its number.

    Columns: subject, image (paths are from the file's folder). Optional: expression (one of the 13), mask,
    normals (0.5 + 0.5 n; x right, y up, z to the viewer), yaw, pitch, roll, fovy (degrees), distance,
    target_x, target_y, target_z (mm), sex, age, skin, hair, hair_colour, beard, licence.
    Yaw, pitch, fovy and distance are the whole camera of a square picture; less is fitted to the face.
    """
    from idto3d.train.picture_list import read_picture_list

    layout = read_picture_list(file, licence=licence)
    _prepare(layout, out, recogniser, detector, normals_model, resolution, crops, held_out)


def _prepare(
    layout: Layout,
    out: Path,
    recogniser: Path | None,
    detector: Path | None,
    normals_model: Path | None,
    resolution: int,
    crops: int,
    held_out: float,
) -> None:
    import hashlib

    from idto3d.identity.detector import YuNetDetector
    from idto3d.identity.reader import load_reader
    from idto3d.identity.recogniser import load_recogniser
    from idto3d.train.moment_rows import PrepareOptions, Tools
    from idto3d.train.normals_model import NormalsModel
    from idto3d.train.prepare import prepare as prepare_data
    from idto3d_eval.show import drawing_bar, print_fields
    from idto3d_eval.single import shipped_weights

    shipped = shipped_weights()
    tools = Tools(
        reader=load_reader(shipped / "reader_methods.onnx"),
        recogniser=load_recogniser(recogniser or shipped / "recogniser_a.onnx"),
        detector=YuNetDetector(detector) if detector else None,
        detector_name=f"{detector.name} {hashlib.sha256(detector.read_bytes()).hexdigest()}"
        if detector
        else None,
        normals=NormalsModel(normals_model) if normals_model else None,
    )
    options = PrepareOptions(resolution=resolution, crops=crops, held_out=held_out)
    with drawing_bar() as told:
        card = prepare_data(layout, out, tools, options, told=told)
    print_fields(card)
    typer.echo(f"Data: {out}")
