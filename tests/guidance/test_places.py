"""Places as guidance: what counts, and which models know of them."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from idto3d.guidance import base
from idto3d.guidance.guidance import Guidance
from idto3d.guidance.places import BEND, FEATURES, asked_places, place_loss
from idto3d.guidance.reference_views import ReferenceViews
from idto3d.render.camera import Camera
from tests.guidance.models import KnownGuidance, conditions, small_unet


def views(count: int) -> ReferenceViews:
    nothing = torch.zeros(count, 1)
    return ReferenceViews([Camera()] * count, ["normals"] * count, nothing, nothing, nothing, nothing)


def test_only_places_that_both_know_and_that_lie_near_count() -> None:
    wanted = torch.zeros(1, 3, 4, 4)
    wanted[:, 1, :2] = 0.6  # above the features
    place = wanted.clone()
    assert place_loss(place, wanted) == 0.0
    place[:, :, 3] = 1.0  # beside what is wanted
    assert place_loss(place, wanted) == 0.0
    place[:, 1, 0, 0] = 1.2  # too far to be a shift
    assert place_loss(place, wanted) == 0.0
    place[:, 1, 0, 1] += 2.0 * BEND
    seven = place_loss(place, wanted)  # of eight known pixels one is off, and one does not count
    torch.testing.assert_close(seven, torch.tensor(1.5 * BEND / 7.0))


def test_places_at_eyes_nose_and_mouth_count_most() -> None:
    wanted = torch.zeros(1, 3, 1, 2)
    wanted[0, 1] = torch.tensor([[0.6, -0.6]])
    forehead, mouth = wanted.clone(), wanted.clone()
    forehead[0, 0, 0, 0], mouth[0, 0, 0, 1] = BEND, BEND
    torch.testing.assert_close(place_loss(mouth, wanted), FEATURES * place_loss(forehead, wanted))


def test_a_surface_is_moved_along_itself_to_what_is_wanted() -> None:
    """A gradient that needs no colour: places at pixels, and so the vertices behind them."""
    shift = torch.zeros(3, requires_grad=True)
    wanted = torch.rand(1, 3, 8, 8) * 0.2 + torch.tensor([0.0, 0.5, 0.0]).view(1, 3, 1, 1)
    true = torch.tensor([0.03, -0.05, 0.01])
    optimiser = torch.optim.Adam([shift], lr=0.005)
    for _ in range(60):
        optimiser.zero_grad()
        place_loss(wanted + (shift - true).view(1, 3, 1, 1), wanted).backward()
        optimiser.step()
    torch.testing.assert_close(shift.detach(), true, atol=0.004, rtol=0.0)


def test_a_prior_with_face_maps_tells_places_and_others_do_not() -> None:
    told = conditions(3)
    plain = Guidance(small_unet(), base.make_scheduler(), base.make_codec(), base.make_encoder())
    assert not plain.knows_places
    with pytest.raises(ValueError, match="without face maps"):
        plain.places(told)
    assert plain.calls == 0
    encoder = base.make_encoder(maps=4).eval()
    mapped = Guidance(small_unet(), base.make_scheduler(), base.make_codec(), encoder)
    assert mapped.knows_places
    found = asked_places(mapped, views(3), lambda some: told.rows(slice(0, len(some))))
    assert found.shape == (3, 3, 64, 64)
    assert mapped.calls == 3
    np.testing.assert_allclose(found, encoder(told).place.detach())


@pytest.mark.parametrize("rows", [1, 20])
def test_more_views_than_a_network_takes_at_once_are_asked_in_turn(rows: int) -> None:
    class Counting(KnownGuidance):
        def places(self, condition: object) -> torch.Tensor:
            return torch.ones(len(condition), 3, 2, 2)  # type: ignore[arg-type]

    found = asked_places(Counting(lambda _: torch.zeros(1), 8), views(rows), lambda some: some)  # type: ignore[arg-type, return-value]
    assert len(found) == rows
