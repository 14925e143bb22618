"""The pictures that guidance is trained on, as memory-mapped arrays, drawn in batches from one generator.

A folder holds `photograph.npy`, `normals.npy` and `shaded.npy` (uint8 [N, R, R, 3], R = 64 in ours),
`person.npy` (int32 [N]), `expression.npy` (int64 [N]), `camera.npy` (float32 [N, 8], `camera_features`),
`place.npy`, `mean_coloured.npy` and `mean_normals.npy` (float16 [N, 3, 64, 64], the layers of
`ControlView`), `attributes.npy` (int64 [N, G]) and `embeddings.npy` (float32 [P, M, D]: M embedded photos of
each person, unit rows, D = 128 in ours). Two more may lie there: `heldout.npy` (bool [P]) names the people
that training never draws, where they are not the last ones, and `has_<kind>.npy` (bool [N]) the rows that
have a picture of that kind. `own_place.npy` (float16 [N, 3, 64, 64]) is where on the mean face each pixel of
the person lies, where that is known.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from idto3d.errors import UserError
from idto3d.guidance.condition import Condition

HELD_OUT_PEOPLE = 0.05  # share of people, the last ones, that training never draws
# Length of the noise that is added to a unit embedding in training: without it, faces of training people are
# known by heart within ten minutes and those of others get worse.
JITTER = 0.3
# How the mean head is drawn in the control of each kind of picture.
MEAN_HEAD = {"photograph": "mean_coloured", "shaded": "mean_coloured", "normals": "mean_normals"}


@dataclass(frozen=True)
class GuidanceData:
    """The arrays of one kind of picture; `train` and `heldout` index rows and share no person."""

    images: NDArray[np.uint8]
    person: NDArray[np.int64]
    expression: NDArray[np.int64]
    camera: NDArray[np.float32]
    place: NDArray[np.float16]
    mean_head: NDArray[np.float16]
    attributes: NDArray[np.int64]
    embeddings: NDArray[np.float32]
    own_place: NDArray[np.float16] | None
    train: NDArray[np.int64]
    heldout: NDArray[np.int64]

    @classmethod
    def open(cls, folder: Path, kind: str) -> GuidanceData:
        """Map the arrays of `folder`; `kind` is photograph, normals or shaded."""
        path = folder / f"{kind}.npy"
        if not path.is_file():
            raise UserError(
                f"Found no '{path}', expected the training pictures; draw the guidance data set first."
            )
        images = np.load(path, mmap_mode="r")
        person = np.load(folder / "person.npy").astype(np.int64)
        embeddings = np.load(folder / "embeddings.npy")
        people = int(person.max()) + 1
        if people > len(embeddings) or len(images) != len(person):
            raise UserError(
                f"Found {len(images)} pictures, {len(person)} person numbers up to {people - 1} and "
                f"embeddings of {len(embeddings)} people in '{folder}', expected them to agree; "
                "draw the data set again."
            )
        held_out = _held_out_people(folder, people)[person]  # [N]
        known = _where(folder / f"has_{kind}.npy", np.ones(len(images), bool))
        own = folder / "own_place.npy"
        return cls(
            images=images,
            person=person,
            expression=np.load(folder / "expression.npy").astype(np.int64),
            camera=np.load(folder / "camera.npy").astype(np.float32),
            place=np.load(folder / "place.npy", mmap_mode="r"),
            mean_head=np.load(folder / f"{MEAN_HEAD[kind]}.npy", mmap_mode="r"),
            attributes=np.load(folder / "attributes.npy").astype(np.int64),
            embeddings=embeddings.astype(np.float32),
            own_place=np.load(own, mmap_mode="r") if own.is_file() else None,
            train=np.flatnonzero(known & ~held_out),
            heldout=np.flatnonzero(known & held_out),
        )

    def check_resolution(self, side: int) -> None:
        """Refuse a denoiser of pictures of another side, in pixels."""
        if self.images.shape[1] != side:
            raise UserError(
                f"Found pictures of {self.images.shape[1]} pixels, expected {side} for this base model; "
                f"prepare the data with --resolution {side}."
            )

    def own_places(self, rows: NDArray[np.int64]) -> Tensor | None:
        """Places [B, 3, 64, 64] on the mean face that the pixels of rows show, 0 beside the head; None where
        they are not known."""
        if self.own_place is None:
            return None
        return torch.from_numpy(np.stack([self.own_place[row] for row in rows]).astype(np.float32))

    def identities(
        self, people: NDArray[np.int64], random: np.random.Generator | None
    ) -> NDArray[np.float32]:
        """Unit rows [B, D]: the normalised mean of a random subset of each person's own photos, with a little
        noise (all of them and none where `random` is None), as one to many casual photos will be given later.
        """
        photos = self.embeddings[people]  # [B, M, D]
        keep = np.ones(photos.shape[:2], bool)
        if random is not None:
            order = random.random(photos.shape[:2]).argsort(1)
            keep = order < random.integers(1, photos.shape[1] + 1, (len(people), 1))
        mean = (photos * keep[..., None]).sum(1)
        mean /= np.linalg.norm(mean, axis=1, keepdims=True) + 1e-8
        if random is not None:
            mean += JITTER / mean.shape[1] ** 0.5 * random.standard_normal(mean.shape)
            mean /= np.linalg.norm(mean, axis=1, keepdims=True)
        return np.asarray(mean, np.float32)

    def batch(self, rows: NDArray[np.int64], random: np.random.Generator | None) -> tuple[Tensor, Condition]:
        """Images [B, 3, R, R] in [-1, 1] and their conditions, with identities as `identities` has them."""
        images = torch.from_numpy(np.stack([self.images[row] for row in rows])).permute(0, 3, 1, 2)
        condition = Condition(
            identity=torch.from_numpy(self.identities(self.person[rows], random)),
            expression=torch.from_numpy(self.expression[rows]),
            camera=torch.from_numpy(self.camera[rows]),
            attributes=torch.from_numpy(self.attributes[rows]),
            control=torch.from_numpy(
                np.stack([np.concatenate([self.place[row], self.mean_head[row]]) for row in rows]).astype(
                    np.float32
                )
            ),
        )
        return images.float() / 127.5 - 1.0, condition


def drop_conditions(condition: Condition, random: np.random.Generator) -> Condition:
    """Forget parts of some rows, so that the null of each part is learned too (classifier-free guidance).

    Identity and words together 8 %, words (expression and attributes) 8 %, identity alone 10 %, expression
    alone 5 %, all attributes 30 %, each attribute 30 %, camera 5 %; never the control.
    """
    count, groups = condition.attributes.shape
    both, text = random.random(count) < 0.08, random.random(count) < 0.08
    identity = both | (random.random(count) < 0.10)
    expression = both | text | (random.random(count) < 0.05)
    camera = random.random(count) < 0.05
    words = both | text | (random.random(count) < 0.30)
    attributes = words[:, None] | (random.random((count, groups)) < 0.30)
    return Condition(
        identity=condition.identity * torch.from_numpy(~identity)[:, None],
        expression=condition.expression.masked_fill(torch.from_numpy(expression), -1),
        camera=condition.camera * torch.from_numpy(~camera)[:, None],
        attributes=condition.attributes.masked_fill(torch.from_numpy(attributes), -1),
        control=condition.control,
        place=condition.place,
    )


def _held_out_people(folder: Path, people: int) -> NDArray[np.bool_]:
    """Which of the people [P] training never draws."""
    first = people - max(1, int(HELD_OUT_PEOPLE * people))
    return _where(folder / "heldout.npy", np.arange(people) >= first)


def _where(path: Path, otherwise: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """The flags of a file of as many, or `otherwise` where there is none."""
    if not path.is_file():
        return otherwise
    flags = np.load(path).astype(bool)
    if flags.shape != otherwise.shape:
        raise UserError(
            f"Found {len(flags)} flags in '{path}', expected {len(otherwise)}; make the data set again."
        )
    return np.asarray(flags, bool)
