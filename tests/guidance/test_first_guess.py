"""The first guess: nulls, independence of rows, and what it does to the denoiser's contract."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor

from idto3d.guidance import base
from idto3d.guidance.condition import Condition
from idto3d.guidance.first_guess import FirstGuess
from idto3d.guidance.guidance import Guidance
from tests.guidance.models import conditions, small_unet


def test_rows_do_not_see_each_other_and_every_part_is_heard() -> None:
    torch.manual_seed(0)
    guess, told = base.make_guess().eval(), conditions(4)
    together = guess(told)
    assert together.shape == (4, 48, 16, 16)
    torch.testing.assert_close(together[2:3], guess(told.rows(slice(2, 3))), rtol=0, atol=1e-5)
    other = conditions(4, seed=1)
    for part in ("identity", "expression", "camera", "attributes"):
        assert not torch.allclose(guess(told.replacing(part, other)), together, atol=1e-4)


def test_what_is_not_told_is_one_and_the_same_input() -> None:
    torch.manual_seed(0)
    guess, told = base.make_guess().eval(), conditions(2)
    silent = told.without_identity().without_text().replacing("camera", told.rows(torch.tensor([0, 0])))
    torch.testing.assert_close(guess(silent)[0], guess(silent)[1])


def test_it_is_saved_and_read_again(tmp_path: Path) -> None:
    torch.manual_seed(0)
    guess, told = base.make_guess().eval(), conditions(2)
    guess.save_pretrained(tmp_path)
    torch.testing.assert_close(FirstGuess.from_pretrained(tmp_path)(told), guess(told), rtol=0, atol=1e-2)


def test_a_denoiser_that_knows_the_rest_returns_the_clean_latent() -> None:
    """x0_hat = m + denoiser(z_t - alpha_t m): exact when the denoiser recovers z_0 - m."""
    torch.manual_seed(0)
    guess, told, x0 = base.make_guess().eval(), conditions(2), torch.randn(2, 48, 16, 16)
    mean = guess(told).detach()

    class Rest(torch.nn.Module):
        """Checks what it is shown, and answers with the rest."""

        dtype = torch.float32

        def forward(self, z: Tensor, t: Tensor, tokens: Tensor, class_labels: Tensor | None) -> Rest:
            del tokens, class_labels
            alpha, sigma = guidance.alpha_sigma(t)
            torch.testing.assert_close(z, alpha * (x0 - mean) + sigma * noise, rtol=0, atol=1e-4)
            self.sample = x0 - mean
            return self

    guidance = Guidance(small_unet(), base.make_scheduler(), base.make_codec(), base.make_encoder(), guess)
    t, noise = torch.tensor([300, 800]), torch.randn_like(x0)
    z = guidance.add_noise(x0, noise, t)
    guidance.unet = Rest()
    torch.testing.assert_close(guidance.denoise(z, t, told), x0, rtol=0, atol=1e-4)
    assert isinstance(told, Condition)
