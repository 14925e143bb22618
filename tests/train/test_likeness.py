"""Likenesses: what a similarity moves is not counted, and what an embedding says is measured in shares."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from idto3d.errors import UserError
from idto3d.train.likeness import COMPONENTS, Likeness, read_likenesses


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Sixty faces of a hundred points, which differ along two directions of shape and one of colour."""
    random = np.random.default_rng(0)
    people, mean = 60, random.normal(0, 40, (100, 3))
    codes, shapes = random.normal(0, 1, (people, 3)), random.normal(0, 3, (2, 100, 3))
    position = mean + np.tensordot(codes[:, :2], shapes, 1)
    albedo = 0.5 + 0.1 * codes[:, 2, None, None] * random.normal(0, 1, (100, 3))
    normal = position / np.linalg.norm(position, axis=2, keepdims=True)
    marks = albedo[..., :1]
    for name, values in {"position": position, "normal": normal, "albedo": albedo, "marks": marks}.items():
        np.save(tmp_path / f"{name}.npy", values.astype(np.float32))
    np.save(tmp_path / "person.npy", np.arange(people))
    np.save(tmp_path / "codes.npy", codes)
    return tmp_path


def test_a_similarity_changes_no_position(folder: Path) -> None:
    people = np.arange(60)
    before = read_likenesses(folder, people)["position"]
    position = np.load(folder / "position.npy")
    angle = np.random.default_rng(1).uniform(-0.3, 0.3, 60)
    turn = np.stack([[np.cos(a), -np.sin(a), 0, np.sin(a), np.cos(a), 0, 0, 0, 1] for a in angle])
    moved = np.einsum("nmc,ncd->nmd", position, turn.reshape(60, 3, 3)) + 7.0
    np.save(folder / "position.npy", moved.astype(np.float32))
    after = read_likenesses(folder, people)["position"]
    spread = [np.linalg.norm(values - values.mean(0)) for values in (before, after)]
    assert spread[1] == pytest.approx(spread[0], rel=0.1)  # the mean of turned faces is a little smaller
    assert np.linalg.norm(moved - moved.mean(0)) > 2.0 * spread[0]


def test_nothing_read_is_no_share_and_a_fit_is_nearly_all(folder: Path) -> None:
    people, codes = np.arange(60), np.load(folder / "codes.npy").astype(np.float32)
    likeness = Likeness.learned(folder, people, 4)
    embedded = np.concatenate(
        [codes, np.full((60, 1), 4.0, np.float32)], 1
    )  # linear after normalising, nearly
    with torch.no_grad():
        likeness.read.weight.zero_()
        likeness.read.bias.zero_()
    assert float(likeness(torch.from_numpy(embedded), torch.arange(60)).detach()) == pytest.approx(
        1.0, abs=0.05
    )
    optimiser = torch.optim.Adam(likeness.parameters(), lr=0.05)
    for _ in range(300):
        optimiser.zero_grad()
        loss = likeness(torch.from_numpy(embedded), torch.arange(60))
        loss.backward()
        optimiser.step()
    unit = embedded / np.linalg.norm(embedded, axis=1, keepdims=True)
    explained = likeness.explained(unit, people, folder)
    shares = {name: explained.pop(f"components_{name}") for name in COMPONENTS}
    assert set(explained) == {f"explained_{name}" for name in COMPONENTS}
    assert min(explained.values()) > 0.85
    # Components of next to no variance count as much, and four numbers say little of fifty.
    assert all(shares[name] < explained[f"explained_{name}"] for name in ("normal", "albedo"))


def test_a_person_without_a_likeness_is_one_sentence(folder: Path) -> None:
    with pytest.raises(UserError, match="without a likeness"):
        read_likenesses(folder, np.array([3, 75]))
