"""What a method row is scored from, loaded from a run's artefacts: its heads, the references, the gallery."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from idto3d_eval.family_stages import STAGES_OF_HEAD
from idto3d_eval.features import HeadFeatures, load_features, load_photo_embeddings, load_templates
from idto3d_eval.other_readings import load_embeddings
from idto3d_eval.reading_stages import FEATURES_FILE
from idto3d_eval.reference import Gallery, Reference, load_reference
from idto3d_eval.rows.context import Head, Measures
from idto3d_eval.stage import StageCall
from idto3d_eval.views import view_specs


def heads_of(call: StageCall, references: Mapping[str, Reference]) -> list[Head]:
    """One head an identity and seed; where a job failed, the reason stands in place of the features.

    A head goes by the identity that it is scored as, which in a row of its own is the one in the photos.
    """
    views = view_specs(call.protocol)
    heads = []
    for made_for, identity in call.parameters["scored_as"].items():
        for seed in call.protocol.seeds:
            place = f"{call.parameters['heads']}/{made_for}/seed-{seed}"
            asset, features = call.inputs.get(f"heads/{place}"), call.inputs.get(f"features/{place}")
            failure = _failure(call, f"features/{place}", f"heads/{place}", *_measures(identity))
            if asset is None or features is None or len(references[identity].photos) == 0:
                heads.append(Head(identity, seed, None, failure or "the identity has no readable photo"))
                continue
            calls, share = _manifest_figures(call, f"heads/{place}")
            read = load_features(features / FEATURES_FILE)
            heads.append(
                Head(
                    identity,
                    seed,
                    read,
                    asset=asset,
                    views=views,
                    guidance_calls=calls,
                    trainable_share=share,
                    others=_read_by_others(call, place, read),
                    **_further(call, place),
                )
            )
    return heads


def looks_of(call: StageCall) -> dict[str, Path]:
    """Identity -> folder of what its heads' looks are held against, where it was read."""
    kind = "appearance_references/"
    return {job[len(kind) :]: folder for job, folder in call.inputs.items() if job.startswith(kind)}


def sessions_of(call: StageCall, references: Mapping[str, Reference]) -> dict[str, Sequence[Head]]:
    """Label -> heads, readings alone, of every session of the row that is scored, the first one first."""
    labels = call.parameters.get("sessions", ())
    found: dict[str, Sequence[Head]] = {}
    for label in labels if len(labels) > 1 else ():
        heads = []
        for made_for, identity in call.parameters["scored_as"].items():
            for seed in call.protocol.seeds:
                job = f"features/{label}/{made_for}/seed-{seed}"
                folder, readable = call.inputs.get(job), len(references[identity].photos) > 0
                read = load_features(folder / FEATURES_FILE) if folder is not None and readable else None
                heads.append(Head(identity, seed, read, "" if read else _failure(call, job)))
        found[label] = heads
    return found


def references_of(call: StageCall, recogniser: str = "") -> dict[str, Reference]:
    """Identity -> reference; photos alone where no true head exists, no photo where none could be read.

    Of another recogniser than the scoring one, where it is named.
    """
    found: dict[str, Reference] = {}
    for identity in call.protocol.population.identities:
        photos, reference = (call.inputs.get(name) for name in _measures(identity, recogniser))
        if reference is not None:
            found[identity] = load_reference(reference / FEATURES_FILE)
        elif photos is not None:
            found[identity] = Reference(load_photo_embeddings(photos / FEATURES_FILE))
        else:
            found[identity] = Reference(np.zeros((0, 1), dtype=np.float32))
    return found


def gallery_of(call: StageCall, recogniser: str = "") -> Gallery | None:
    """The people among whom heads are looked for; None where the population has none."""
    folder = call.inputs.get(_job("gallery", recogniser))
    return None if folder is None else Gallery(*load_templates(folder / FEATURES_FILE))


def others_of(call: StageCall) -> dict[str, Measures]:
    """Recogniser -> what heads are measured against as it reads them."""
    return {
        name: Measures(references_of(call, name), gallery_of(call, name), call.protocol.expressions)
        for name in call.parameters["recognisers"]
    }


def _read_by_others(call: StageCall, place: str, read: HeadFeatures) -> dict[str, HeadFeatures]:
    """Recogniser -> a head's readings with its embeddings; those that failed are left out."""
    folders = {
        name: call.inputs.get(_job("features", name, place)) for name in call.parameters["recognisers"]
    }
    return {
        name: load_embeddings(folder / FEATURES_FILE, read)
        for name, folder in folders.items()
        if folder is not None
    }


def _measures(identity: str, recogniser: str = "") -> tuple[str, str]:
    return _job("photos", recogniser, identity), _job("references", recogniser, identity)


def _job(kind: str, recogniser: str, *rest: str) -> str:
    """A job's name, of the scoring recogniser's or of another's."""
    return "/".join([f"{kind}_by/{recogniser}" if recogniser else kind, *rest])


def _failure(call: StageCall, *jobs: str) -> str:
    return next((call.failures[job] for job in jobs if job in call.failures), "")


def _further(call: StageCall, place: str) -> dict[str, Any]:
    """What else was read of a head, and why one reading is not there."""
    jobs = {stage: f"{stage}/{place}" for stage in STAGES_OF_HEAD}
    return {
        "readings": {stage: call.inputs[job] for stage, job in jobs.items() if job in call.inputs},
        "unread": {stage: call.failures[job] for stage, job in jobs.items() if job in call.failures},
    }


def _manifest_figures(call: StageCall, job: str) -> tuple[int | None, float | None]:
    """Guidance calls and trainable share, as the method declared them in its manifest; None where unknown."""
    from idto3d.asset import read_manifest

    manifest = read_manifest(call.inputs[job])
    outside = manifest.parameters.get("external")
    unknown = isinstance(outside, dict) and outside.get("guidance_calls") == "unknown"
    return None if unknown else manifest.guidance_calls, manifest.trainable_share
