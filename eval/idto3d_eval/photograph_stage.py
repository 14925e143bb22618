"""The stage that stands in for drawing a person: it copies the photographs of one who was added."""

from __future__ import annotations

import json
import shutil

from idto3d.errors import UserError
from idto3d_eval.keys import file_sha256
from idto3d_eval.stage import Facts, StageCall

SETS = ("conditioning", "scoring")


def copy_photographs(call: StageCall) -> Facts | None:
    """Copies as many photos of each set as the protocol asks for, and checks that they are those of the plan.

    Raises:
        UserError: a photo is not there any more, or is another one.
    """
    population = call.protocol.population
    wanted = dict(zip(SETS, (population.conditioning_photos, population.scoring_photos), strict=True))
    planned = call.parameters["photos"]
    photos: dict[str, dict[str, str]] = {}
    for name, count in wanted.items():
        (call.out / name).mkdir()
        photos[name] = {}
        for file in sorted(planned[name])[:count]:
            path = call.origin / name / file
            if not path.is_file() or file_sha256(path) != planned[name][file]:
                raise UserError(
                    f"Found {'another photo' if path.is_file() else 'no photo'} at {name}/{file} of "
                    f"{call.identity!r}, expected the one that was added; add the person again."
                )
            shutil.copyfile(path, call.out / name / file)
            photos[name][file] = planned[name][file]
    facts = {
        **call.parameters["facts"],
        "population": population.label,
        "photos_sha256": photos,
        # Where a person stands in the population of synthetic ones: nowhere.
        "index": None,
        "population_seed": None,
    }
    (call.out / "identity.json").write_text(json.dumps(facts, indent=1, sort_keys=True) + "\n")
    return None
