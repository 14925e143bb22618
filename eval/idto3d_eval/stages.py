"""The table of stages: what each runs, what it may read of the protocol, and which weights are its own.

Functions import what they need when they run, so that planning stays light.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path

from idto3d.errors import UserError
from idto3d_eval import family_stages, other_readings, shape_stage
from idto3d_eval.keys import content_key, file_sha256
from idto3d_eval.photograph_stage import copy_photographs
from idto3d_eval.reading_stages import (
    CONDITIONING,
    FEATURES_FILE,
    SCORING,
    VIEWS,
    gallery_read_with,
    photos_read_with,
    reference_read_with,
    scoring_models,
)
from idto3d_eval.stage import Facts, Stage, StageCall
from idto3d_protocols.schema import Budget

SCORING_WEIGHTS = ("recogniser_b.onnx", "reader_scoring.onnx")
IDENTITY_FILE = "identity.json"
FIRST_SCORING_PHOTO = 1000  # photo numbers of the two sets never meet, however many a protocol asks for
JPEG_QUALITY = 95  # the photo was compressed as its camera would when it was drawn; this adds nothing visible


def make_identity(call: StageCall) -> Facts | None:
    """Draws a synthetic person's photos: conditioning and scoring ones, in folders of their own."""
    from PIL import Image

    from idto3d.population.people import find_person
    from idto3d.population.photos import draw_photo

    person = find_person(call.identity, call.protocol.population.population_seed)
    population = call.protocol.population
    sets = {
        CONDITIONING: range(population.conditioning_photos),
        SCORING: range(FIRST_SCORING_PHOTO, FIRST_SCORING_PHOTO + population.scoring_photos),
    }
    photos: dict[str, dict[str, str]] = {}
    total, done = sum(map(len, sets.values())), 0
    for name, numbers in sets.items():
        (call.out / name).mkdir()
        photos[name] = {}
        for place, number in enumerate(numbers):
            path = call.out / name / f"{place:02d}.jpg"
            Image.fromarray(draw_photo(person, number).image).save(path, quality=JPEG_QUALITY, subsampling=0)
            photos[name][path.name] = file_sha256(path)
            done += 1
            call.progress(done, total, "photos")
    facts = {
        "id": call.identity,
        "split": person.split,
        "index": person.index,
        "population_seed": population.population_seed,
        "population": population.label,
        "consent": "not needed: drawn, not photographed",
        "licence": "CC0-1.0",
        "photos_sha256": photos,
    }
    (call.out / IDENTITY_FILE).write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return None


def generate_head(call: StageCall) -> Facts | None:
    """Lets a method make one identity's head from the conditioning photos; what it writes is not trusted."""
    made = make_head(call)
    if made.outside:
        return {**made.facts, "guidance_calls": made.told}
    declared = Budget.model_validate(call.parameters["budget"]).guidance_calls
    check_budget(made.spent, made.told, declared, exactly=call.method["needs_sds"])
    return {**made.facts, "guidance_calls": made.spent}


@dataclass(frozen=True)
class MadeHead:
    """What is known of a head that was just made: guidance calls as measured and as its manifest tells, what
    its method reported beside them, and whether it is from outside, where nothing can be measured."""

    spent: int
    told: int
    facts: Facts
    outside: bool


def make_head(call: StageCall) -> MadeHead:
    """As `generate_head`, whatever it spends.

    Raises:
        UserError: expressions are missing; of a method from outside, neutral.
    """
    from idto3d.asset import read_manifest
    from idto3d.guidance import meter
    from idto3d_baselines.specs import GenerateRequest, PersonReference

    identity = call.only_input()
    facts = json.loads((identity / IDENTITY_FILE).read_text(encoding="utf-8"))
    knows = "truth" in call.method["conditioned_on"]
    truth = PersonReference(facts["split"], facts["index"], facts["population_seed"]) if knows else None
    module, function = call.method["entry"].split(":")
    generate = getattr(import_module(module), function)
    settings = call.method.get("settings", {})
    _seed_global_generators(call)
    call.out.rmdir()
    budget = Budget.model_validate(call.parameters["budget"])
    before = meter.spent()
    facts = generate(
        GenerateRequest(
            identity=call.identity,
            photos=tuple(sorted((identity / CONDITIONING).iterdir())),
            expressions=tuple(call.protocol.expressions),
            seed=call.seed,
            budget=budget,
            weights=call.weights,
            out=call.out,
            parameters=call.parameters["parameters"],
            truth=truth,
            progress=call.progress,
            settings=settings,
            origin=call.origin,
        )
    )
    manifest = read_manifest(call.out)
    missing = [name for name in call.protocol.expressions if name not in manifest.expressions]
    if missing and (not settings or "neutral" in missing):
        raise UserError(
            f"Found a head with the expressions {', '.join(manifest.expressions)}, expected {missing[0]} "
            "among them; mend the method."
        )
    return MadeHead(meter.spent() - before, manifest.guidance_calls, dict(facts or {}), bool(settings))


def check_budget(spent: int, told: int, declared: int | None, *, exactly: bool) -> None:
    """Hold a method to its budget.

    Args:
        spent: guidance calls as measured in the denoiser.
        told: as the method's manifest says.
        declared: in the protocol; None allows any number.
        exactly: whether the method must spend all that is declared.

    Raises:
        UserError: the three do not agree.
    """
    if told != spent:
        raise UserError(
            f"Found a manifest that tells of {told} guidance calls where {spent} were measured, expected the "
            "same; mend the method."
        )
    if declared is not None and (spent > declared or (exactly and spent < declared)):
        raise UserError(
            f"Found {spent} guidance calls, expected {'exactly' if exactly else 'at most'} the {declared} of "
            "the protocol's budget; mend the method, or declare another budget."
        )


def render_views(call: StageCall) -> Facts | None:
    """Draws a head in the protocol's views."""
    from idto3d_eval.views import render_asset, view_specs

    render_asset(call.only_input(), view_specs(call.protocol), call.out)
    return None


def read_views(call: StageCall) -> Facts | None:
    """Reads embeddings, landmarks and actions in a head's views, with the networks that score."""
    from idto3d_eval.features import read_features

    read_features(call.only_input(), scoring_models(call.weights), call.out / FEATURES_FILE)
    return None


def read_photos(call: StageCall) -> Facts | None:
    """Reads the embeddings of an identity's scoring photos."""
    photos_read_with(call, scoring_models(call.weights))
    return None


def read_gallery(call: StageCall) -> Facts | None:
    """Reads one template each of people that no network was trained on."""
    gallery_read_with(call, scoring_models(call.weights))
    return None


def read_reference(call: StageCall) -> Facts | None:
    """Reads an identity's own true head (ceiling) and matched impostors' (floor) in the protocol's views."""
    reference_read_with(call, scoring_models(call.weights))
    return None


def score_row(call: StageCall) -> Facts | None:
    """Scores all heads of a method row; a head that is missing is NaN with the reason of its failure."""
    from idto3d_eval.score import score_method
    from idto3d_eval.scoring_inputs import (
        gallery_of,
        heads_of,
        looks_of,
        others_of,
        references_of,
        sessions_of,
    )
    from idto3d_eval.tables import write_rows

    references = references_of(call)
    heads = heads_of(call, references)
    rows = score_method(
        heads,
        references,
        gallery_of(call),
        call.protocol.expressions,
        call.protocol.metrics,
        looks=looks_of(call),
        sessions=sessions_of(call, references),
        session=call.parameters["heads"],
        others=others_of(call),
    )
    write_rows(call.out, rows)
    return None


def scores_only(file: str) -> bool:
    """Whether a weight file belongs to a network that scores; methods never read those."""
    return Path(file).name.startswith(tuple(Path(name).stem for name in SCORING_WEIGHTS))


def makes_heads(file: str) -> bool:
    """Whether a weight file may be read by a method."""
    return not scores_only(file)


def _seed_global_generators(call: StageCall) -> None:
    """Pins generators that a foreign method may draw from, so that job order changes no bit."""
    seed = int(content_key([call.method["name"], call.identity, call.seed])[:8], 16)
    random.seed(seed)
    for name, function in (("numpy.random", "seed"), ("torch", "manual_seed")):
        try:
            getattr(import_module(name), function)(seed)
        except ImportError:
            continue


SCORED_FROM = ("metrics", "population.label", "population.identities", "seeds", *VIEWS)

STAGES: dict[str, Stage] = {
    "identity": Stage(
        make_identity,
        fields=(
            "population.label",
            "population.population_seed",
            "population.conditioning_photos",
            "population.scoring_photos",
        ),
        seconds=5.0,
    ),
    "photographs": Stage(
        copy_photographs,
        fields=("population.label", "population.conditioning_photos", "population.scoring_photos"),
        seconds=0.1,
    ),
    "generate": Stage(
        generate_head,
        fields=("expressions",),
        reads_weights=makes_heads,
        seconds=30.0,
    ),
    "render": Stage(render_views, fields=VIEWS, seconds=4.0),
    "read": Stage(
        read_views, fields=(), reads_weights=scores_only, needs_weights=SCORING_WEIGHTS, seconds=2.0
    ),
    "photos": Stage(
        read_photos, fields=(), reads_weights=scores_only, needs_weights=SCORING_WEIGHTS, seconds=1.0
    ),
    "gallery": Stage(
        read_gallery,
        fields=("population.population_seed", "population.scoring_photos", "statistics.gallery"),
        reads_weights=scores_only,
        needs_weights=SCORING_WEIGHTS,
        seconds=60.0,
    ),
    "reference": Stage(
        read_reference,
        fields=("population.population_seed", "statistics.impostors", *VIEWS),
        reads_weights=scores_only,
        needs_weights=SCORING_WEIGHTS,
        seconds=30.0,
    ),
    "appearance": Stage(
        family_stages.read_appearance,
        fields=("expressions", "appearance"),
        reads_weights=scores_only,
        needs_weights=SCORING_WEIGHTS,
        seconds=1.0,
    ),
    "appearance_references": Stage(
        family_stages.read_appearance_reference,
        fields=("population.label", "population.population_seed", "appearance", *VIEWS),
        reads_weights=scores_only,
        needs_weights=SCORING_WEIGHTS,
        seconds=5.0,
    ),
    "environments": Stage(
        family_stages.read_head_environments,
        fields=VIEWS,
        reads_weights=scores_only,
        needs_weights=SCORING_WEIGHTS,
        seconds=3.0,
    ),
    "sessions": Stage(family_stages.compare_with_first_session, fields=("expressions",), seconds=1.0),
    "score": Stage(
        score_row,
        fields=SCORED_FROM,
        tolerates_failures=True,
        seconds=20.0,
    ),
    shape_stage.SHAPES: Stage(
        shape_stage.measure_shapes,
        fields=("metrics", "seeds", *VIEWS),
        tolerates_failures=True,
        seconds=7.0,
    ),
    shape_stage.JOINED: Stage(
        shape_stage.score_joined,
        fields=SCORED_FROM,
        tolerates_failures=True,
        seconds=20.0,
    ),
    **other_readings.STAGES,
}
