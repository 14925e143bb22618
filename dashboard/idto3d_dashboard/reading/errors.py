"""Where a head's surface lies against the true one: computed from the run's files when it is looked at, with
the metrics' own alignment, and kept by content."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import streamlit

from idto3d.errors import UserError
from idto3d_dashboard.reading.files import Stamp, inside, stamp
from idto3d_dashboard.reading.heads import Head
from idto3d_dashboard.reading.run import Run
from idto3d_eval.reading_stages import FEATURES_FILE

if TYPE_CHECKING:
    from numpy.typing import NDArray

KEPT = 64  # maps held at once, of about 300 kB


@dataclass(frozen=True)
class GeometryError:
    """One head against the truth.

    Attributes:
        glb: the true head, coloured by its distance to the method's head; b"" where there is none.
        curve: share [T] of the face region's points within each of NoW's thresholds; None where undefined.
        median: mm, of the distances over the whole head; NaN where undefined.
        reason: why there is nothing.
    """

    glb: bytes
    curve: NDArray[np.float64] | None
    median: float
    reason: str


def has_truth(run: Run, identity: str) -> bool:
    """Whether a person's true head is known."""
    return inside(run.folder, f"references/{identity}/{FEATURES_FILE}") is not None


def geometry_error(run: Run, head: Head, identity: str, expression: str) -> GeometryError:
    """The heat map of a head, scored as an identity."""
    if head.glb is None:
        return _nothing(head.missing)
    place = head.job.removeprefix("heads/")
    method, made_for, seed = place.split("/")
    if made_for != identity:
        return _nothing(f"a head made for {made_for} is not measured against {identity}'s")
    needed = (
        f"{head.job}/asset.json",
        f"{head.job}/neutral.glb",
        f"features/{place}/{FEATURES_FILE}",
        f"views/{place}/views.json",
        f"references/{identity}/{FEATURES_FILE}",
    )
    found = [inside(run.folder, name) for name in needed]
    files = [head.glb, *(path for path in found if path is not None)]
    if len(files) <= len(needed):
        missing = needed[found.index(None)]
        return _nothing(f"the run's folder has no {missing}, which it is measured by")
    return _computed(
        str(run.folder),
        method,
        identity,
        int(seed.removeprefix("seed-")),
        expression,
        tuple(map(stamp, files)),
    )


@streamlit.cache_resource(max_entries=KEPT, show_spinner=False)
def _computed(
    root: str, method: str, identity: str, seed: int, expression: str, files: tuple[Stamp, ...]
) -> GeometryError:
    del files  # a part of the key alone: other files, measured anew
    from idto3d_eval.error_gallery import person_maps
    from idto3d_eval.heat_map import coloured_glb
    from idto3d_eval.metrics.geometry_now import CURVE_MM, cumulative_curve
    from idto3d_eval.store import Store

    try:
        maps = person_maps(Store(Path(root)), method, identity, seed, (expression,))
    except UserError as error:
        return _nothing(str(error))
    except (OSError, ValueError, KeyError):
        return _nothing("what was read on this head or on the true one cannot be read; score it again")
    found = maps.get(expression)
    if found is None:
        return _nothing(f"there is no true head with the expression {expression}, or the method made none")
    if found.distances is None or found.face is None:
        return _nothing(found.reason)
    curve = cumulative_curve(found.face, CURVE_MM)
    return GeometryError(coloured_glb(found), curve, float(np.median(found.distances)), "")


def _nothing(reason: str) -> GeometryError:
    return GeometryError(b"", None, float("nan"), reason)
