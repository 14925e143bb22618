"""The stages that only some families of metrics need, and which jobs of theirs a protocol has.

They run where a protocol asks for `appearance` or `stability`; no other stage needs them, so that asking for
them makes no head again.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from idto3d_eval.reading_stages import scoring_models, scoring_photos
from idto3d_eval.stage import Facts, StageCall
from idto3d_protocols.schema import MethodRow, Protocol

APPEARANCE, STABILITY = "appearance", "stability"
# By family: the stages that it asks for, whose jobs' folders go by the stage's name.
OF_HEAD: Mapping[str, tuple[str, ...]] = {
    APPEARANCE: ("appearance",),
    STABILITY: ("environments", "sessions"),
}
OF_IDENTITY: Mapping[str, tuple[str, ...]] = {APPEARANCE: ("appearance_references",)}
STAGES_OF_HEAD = tuple(stage for stages in OF_HEAD.values() for stage in stages)


def head_stages(protocol: Protocol, row: MethodRow) -> tuple[str, ...]:
    """The further stages that a head of a row goes through; the first of its sessions is compared with "
    "none."""
    from idto3d_eval.sessions import session_labels

    asked = [stage for family in OF_HEAD if family in protocol.metrics for stage in OF_HEAD[family]]
    first = session_labels(protocol, row)[0] == row.label
    return tuple(stage for stage in asked if not (first and stage == "sessions"))


def identity_stages(protocol: Protocol) -> tuple[str, ...]:
    """The further stages that an identity goes through."""
    return tuple(
        stage for family in OF_IDENTITY if family in protocol.metrics for stage in OF_IDENTITY[family]
    )


def renderers() -> tuple[str, ...]:
    """The second renderers that are installed here; none is imported."""
    from importlib.util import find_spec

    return ("zbuffer", "nvdiffrast") if find_spec("nvdiffrast") else ("zbuffer",)


def read_appearance(call: StageCall) -> Facts | None:
    """Reads a head's views for appearance: features of whole views, and agreement with words."""
    from idto3d_eval.appearance_readings import FILE, read_head_looks
    from idto3d_eval.named_networks import named_networks

    named = named_networks(call.protocol)
    read_head_looks(call.only_input(), call.protocol.expressions, call.weights, named, call.out / FILE)
    return None


def read_appearance_reference(call: StageCall) -> Facts | None:
    """Reads what an identity's heads are held against: its true head in the protocol's views, or its scoring
    photos where no true head exists."""
    import tempfile

    from idto3d_eval import appearance_readings as readings
    from idto3d_eval.named_networks import named_networks
    from idto3d_eval.views import render_true_head, view_specs

    models, named = scoring_models(call.weights), named_networks(call.protocol)
    out = call.out / readings.FILE
    if call.protocol.population.label != "synthetic":
        photos = list(scoring_photos(call.only_input()).values())
        readings.read_photo_looks(photos, models, call.weights, named, out)
        return None
    from idto3d.population.people import find_person

    person = find_person(call.identity, call.protocol.population.population_seed)
    with tempfile.TemporaryDirectory(prefix="idto3d-true-views-") as folder:
        rendered = Path(folder) / "views"
        specs = view_specs(call.protocol)
        render_true_head(person, call.protocol.expressions, specs, rendered, buffers=False)
        readings.read_true_looks(rendered, models, call.weights, named, out)
    return None


def read_head_environments(call: StageCall) -> Facts | None:
    """Draws a stored head in other renderings and reads it with the networks that score."""
    from idto3d_eval.environments import FILE, environments_of, read_environments
    from idto3d_eval.views import view_specs

    environments = environments_of(view_specs(call.protocol), call.parameters["renderers"])
    models = scoring_models(call.weights)
    read_environments(call.only_input(), call.protocol.expressions, environments, models, call.out / FILE)
    return None


def compare_with_first_session(call: StageCall) -> Facts | None:
    """Compares a head with the first session's: bytes, shape and pictures."""
    from idto3d_eval.sessions import FILE, compare_sessions

    def folders(kind: str) -> tuple[Path, Path]:
        first, own = (call.inputs[f"{kind}/{call.parameters[which]}"] for which in ("first", "own"))
        return first, own

    compare_sessions(folders("heads"), folders("views"), call.protocol.expressions, call.out / FILE)
    return None


def needs_of(stage: str, place: str, first: str) -> tuple[str, ...]:
    """The jobs that a head's further stage needs.

    Args:
        stage: of `STAGES_OF_HEAD`.
        place: the head's `<label>/<identity>/seed-<N>`.
        first: the same of the first session.
    """
    needs: dict[str, Sequence[str]] = {
        "appearance": (f"views/{place}",),
        "environments": (f"heads/{place}",),
        "sessions": tuple(f"{kind}/{at}" for kind in ("heads", "views") for at in (first, place)),
    }
    return tuple(needs[stage])
