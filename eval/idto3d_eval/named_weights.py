"""The networks that a user names for a run, looked at before hours are spent and a library opens them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from idto3d.errors import UserError

if TYPE_CHECKING:
    from idto3d.identity.recogniser import OnnxRecogniser
    from idto3d_eval.recognisers import Found
    from idto3d_protocols.schema import Protocol


def check_named_weights(protocol: Protocol, weights: Path | None) -> None:
    """Look at the headers of all weights that are not this package's own.

    Args:
        protocol: names recognisers, networks of appearance, and folders of weights of single rows.
        weights: the folder of weights that the user named; None for the shipped one.

    Raises:
        UserError: one of them must not be trusted, or is not there.
    """
    from idto3d.weight_bounds import check_weights
    from idto3d_eval.named_networks import named_networks
    from idto3d_eval.recognisers import find_recogniser
    from idto3d_eval.single import shipped_weights

    places = [] if weights is None else [weights]
    rows = {Path(row.weights) for row in protocol.methods if row.weights is not None}
    found = [find_recogniser(name, weights or shipped_weights()) for name in protocol.recognisers]
    if "appearance" in protocol.metrics:
        named = named_networks(protocol)
        places += [path for path in (named.features, named.image_text) if path is not None]
    for place in (*places, *sorted(rows)):
        if place.exists():  # what is missing is told where it is needed
            check_weights(place)
    for place in sorted(rows):
        check_priors(place)
    for each in found:
        open_recogniser(each)


def open_recogniser(found: Found) -> OnnxRecogniser:
    """A recogniser from outside, opened once before a run is begun.

    Raises:
        UserError: it must not be trusted, or cannot be opened.
    """
    from idto3d.weight_bounds import check_weights
    from idto3d_eval.recognisers import load

    for path in (found.weights, found.card):
        if path is not None:
            check_weights(path)
    try:
        return load(found)
    except UserError:
        raise
    except Exception as error:  # a foreign network in a foreign reader: whatever it raises is one bad file
        told = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        raise UserError(
            f"Found a recogniser that cannot be opened at '{found.weights}' ({told}), expected an ONNX model "
            "of faces of 112 x 112; name another."
        ) from error


def check_priors(weights: Path) -> None:
    """The model folders in a folder of weights.

    Raises:
        UserError: one of them is not what it says.
    """
    folders = sorted(unet.parent for unet in weights.glob("*/unet"))
    if folders:
        from idto3d.guidance.folder_bounds import check_model_folder

        for folder in folders:
            check_model_folder(folder)
