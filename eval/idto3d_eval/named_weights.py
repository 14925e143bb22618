"""The networks that a user names for a run, looked at before hours are spent and a library opens them."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
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
    places += [Path(row.weights) for row in protocol.methods if row.weights is not None]
    found = [find_recogniser(name, weights or shipped_weights()) for name in protocol.recognisers]
    places += [path for each in found for path in (each.weights, each.card) if path is not None]
    if "appearance" in protocol.metrics:
        named = named_networks(protocol)
        places += [path for path in (named.features, named.image_text) if path is not None]
    for place in dict.fromkeys(places):
        if place.exists():  # what is missing is told where it is needed
            check_weights(place)
