"""A user's own people: photographs with consent and licence, conditioning ones apart from scoring ones.

A person is a folder `identities/ID`: `identity.json`, and two folders of photos that share none. Photos are
decoded within bounds, turned upright, cut to the face with room around it where a detector finds it, and
written anew: nothing of a file from outside is kept, EXIF with its places and names included.
"""

from __future__ import annotations

import os
import re
import shutil
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated

from pydantic import Field, ValidationError

from idto3d.errors import UserError
from idto3d_eval.face_check import FaceCheck, face_of, write_face
from idto3d_eval.keys import file_sha256
from idto3d_eval.reading_stages import CONDITIONING, SCORING
from idto3d_protocols.bounded_yaml import sentence
from idto3d_protocols.schema import IdentityId, Model, Protocol

VARIABLE = "IDTO3D_IDENTITIES"
FACTS = "identity.json"
LEAST = 2  # photos of a person: one to condition on, one to score against
MOST_PEOPLE = 1000
ID = re.compile(r"^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$")
RESERVED = re.compile(r"^[a-z_]+-\d+(-impostor-\d+)?$")  # what synthetic people are called

Consent = Annotated[str, Field(min_length=3, max_length=2000, pattern=r"\S")]
Hashes = dict[str, Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]]


class IdentityFacts(Model):
    """What is known of a person who was added; `identity.json`."""

    id: IdentityId
    population: str
    split: str
    licence: Consent
    consent: Consent
    added: str
    """UTC, to the second."""
    checked_by: str
    """What found the faces."""
    photos_sha256: dict[str, Hashes]
    originals_sha256: dict[str, Hashes]
    """Of the files that the photos were read from, so that the same file is known again."""


@dataclass(frozen=True)
class AddedIdentity:
    """A person in the store."""

    path: Path
    facts: IdentityFacts

    @property
    def photos(self) -> dict[str, dict[str, str]]:
        """Set -> file name -> sha256: what a run's key has of them."""
        return {name: dict(hashes) for name, hashes in self.facts.photos_sha256.items()}

    @property
    def told(self) -> dict[str, str]:
        """What a run writes down about them."""
        return self.facts.model_dump(include={"id", "split", "licence", "consent", "checked_by"})


def identities_folder() -> Path:
    """`$IDTO3D_IDENTITIES`, else `identities` beside where the command is given."""
    return Path(os.environ.get(VARIABLE) or "identities")


def added_identities() -> list[AddedIdentity]:
    """Everybody in the store, by id."""
    folder = identities_folder()
    names = sorted(path.name for path in folder.iterdir()) if folder.is_dir() else []
    return [added_identity(name) for name in names if (folder / name / FACTS).is_file()]


def added_identity(name: str) -> AddedIdentity:
    """The person who was added under an id.

    Raises:
        UserError: nobody was, or their record cannot be read.
    """
    path = identities_folder() / name
    if not ID.match(name) or not (path / FACTS).is_file():
        raise UserError(
            f"Found no photographs of {name!r} in {identities_folder()}, expected a person who was added; "
            "add them with 'idto3d-eval identities add DIR --licence … --consent …'."
        )
    try:
        facts = IdentityFacts.model_validate_json((path / FACTS).read_bytes(), strict=True)
    except ValidationError as error:
        raise UserError(sentence(error, f"Identity {name}", IdentityFacts)) from None
    return AddedIdentity(path, facts)


def require_photos(protocol: Protocol, person: AddedIdentity) -> None:
    """Refuse a protocol that asks for more photos of a person than there are.

    Raises:
        UserError: one sentence.
    """
    population = protocol.population
    for name, asked in ((CONDITIONING, population.conditioning_photos), (SCORING, population.scoring_photos)):
        there = len(person.photos.get(name, {}))
        if there < asked:
            raise UserError(
                f"Found {there} {name} photo{'s' if there != 1 else ''} of {person.facts.id!r}, expected the "
                f"{asked} that {protocol.name} asks for; add the person again with more photos, or set "
                f"{name}_photos: {there}."
            )


def add_identities(
    folder: Path, licence: str, consent: str, check: FaceCheck, split: str = "photographs"
) -> list[AddedIdentity]:
    """Take people from a folder: one folder of photos each, or the photos of one person.

    Every second photo by name conditions, the others score. Nobody is added unless all can be.

    Args:
        folder: folders named as the people's ids, or photos of one person whose id is the folder's name.
        licence: under which the photos may be used.
        consent: who agreed to it, and to what; or why none is needed.
        check: what looks for the face in each photo.
        split: the set that they are of, as tables name it.

    Raises:
        UserError: one sentence for the first thing wrong: no consent, an id that is taken, too few photos, a
            photo that cannot be decoded or has no face, or two photos that are one.
    """
    for name, text in (("licence", licence), ("consent", consent)):
        if len(text.strip()) < 3:
            raise UserError(f"Found no {name}, expected who allowed what; say it with --{name}.")
    store = identities_folder()
    staged = store / f".adding-{uuid.uuid4().hex}"
    known = _known_hashes()
    try:
        made = [
            _stage(person, paths, staged, licence, consent, check, split, known)
            for person, paths in _people_in(folder)
        ]
        for person in made:
            person.rename(store / person.name)
    finally:
        shutil.rmtree(staged, ignore_errors=True)
    return [added_identity(person.name) for person in made]


def _people_in(folder: Path) -> Iterator[tuple[str, list[Path]]]:
    from idto3d.identity.photo_folder import photo_paths

    if not folder.is_dir():
        raise UserError(f"Found no folder at {folder}, expected one with a folder of photos for each person.")
    inside = [path for path in sorted(folder.iterdir()) if not path.name.startswith(".")]
    folders = [path for path in inside if path.is_dir()]
    if folders and len(folders) < len(inside):
        loose = next(path for path in inside if not path.is_dir())
        raise UserError(
            f"Found {loose.name!r} beside the folders in {folder}, expected folders of photos alone, or "
            "photos of one person alone; move it."
        )
    if len(folders) > MOST_PEOPLE:
        raise UserError(f"Found {len(folders)} people in {folder}, expected at most {MOST_PEOPLE}; split it.")
    for path in folders or [folder]:
        name = path.resolve().name
        if not ID.match(name) or RESERVED.match(name):
            raise UserError(
                f"Found the folder name {name[:80]!r}, expected an id of letters, digits, - and _ that no "
                "synthetic person has; rename the folder."
            )
        if (identities_folder() / name).exists():
            raise UserError(
                f"Found {name!r} in {identities_folder()} already, expected a new id; remove that person "
                f"first (idto3d-eval identities remove {name}), or rename the folder."
            )
        paths = photo_paths([path])
        if len(paths) < LEAST:
            raise UserError(
                f"Found {len(paths)} photo for identity {name!r}, expected at least {LEAST} (one to "
                f"condition on, one to score against); add one to {path}/."
            )
        yield name, paths


def _stage(
    name: str,
    paths: Sequence[Path],
    staged: Path,
    licence: str,
    consent: str,
    check: FaceCheck,
    split: str,
    known: dict[str, str],
) -> Path:
    """Write one person into the staging folder; `known` gains the hashes of their photos."""
    from idto3d_eval.duplicates import refuse_duplicates

    images = [face_of(path, check) for path in paths]
    refuse_duplicates(name, paths, images)
    originals = [file_sha256(path) for path in paths]
    for path, sha in zip(paths, originals, strict=True):
        if sha in known:
            raise UserError(
                f"Found {path.name!r} of {name!r} among the photos of {known[sha]!r} too, expected each "
                "photo to be of one person; remove one of them."
            )
        known[sha] = name
    place = staged / name
    sets = {CONDITIONING: range(0, len(paths), 2), SCORING: range(1, len(paths), 2)}
    photos: dict[str, dict[str, str]] = {}
    kept: dict[str, dict[str, str]] = {}
    for part, numbers in sets.items():
        (place / part).mkdir(parents=True)
        photos[part], kept[part] = {}, {}
        for position, number in enumerate(numbers):
            path = place / part / f"{position:02d}.jpg"
            write_face(images[number], path)
            photos[part][path.name], kept[part][path.name] = file_sha256(path), originals[number]
    facts = IdentityFacts(
        id=name,
        population="photographs",
        split=split,
        licence=licence,
        consent=consent,
        added=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        checked_by=check.name,
        photos_sha256=photos,
        originals_sha256=kept,
    )
    (place / FACTS).write_text(facts.model_dump_json(indent=1) + "\n", encoding="utf-8")
    return place


def _known_hashes() -> dict[str, str]:
    return {
        sha: person.facts.id
        for person in added_identities()
        for hashes in person.facts.originals_sha256.values()
        for sha in hashes.values()
    }
