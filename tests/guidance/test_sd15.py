"""The paper's size: Stable Diffusion 1.5's real configuration, counted without its weights."""

from __future__ import annotations

import pytest

from idto3d.guidance.lora import ATTENTION_LAYERS, add_lora, trainable_share
from idto3d.guidance.sd15 import PAPER_RANK, PAPER_SHARE, lora_share, lora_shares, make_sd15_unet


def test_a_prior_of_the_paper_rank_tunes_at_most_two_thousandths() -> None:
    """On the real configuration: at most 0.2 %, and one rank more would be above it."""
    unet = make_sd15_unet()
    assert sum(p.numel() for p in unet.parameters()) == 859_520_964  # as the hub counts them
    assert {p.device.type for p in unet.parameters()} == {"meta"}
    trained = sum(p.numel() for p in add_lora(unet, rank=PAPER_RANK, targets=ATTENTION_LAYERS))
    assert trained / 859_520_964 == pytest.approx(trainable_share(unet))
    assert trainable_share(unet) <= PAPER_SHARE
    assert [share.share <= PAPER_SHARE for share in lora_shares(range(PAPER_RANK, PAPER_RANK + 2))] == [
        True,
        False,
    ]


def test_the_share_of_a_rank_is_in_proportion_to_it() -> None:
    """What the table scales up from rank 1 is what a LoRA of that rank really has."""
    (scaled,) = lora_shares(range(4, 5))
    assert scaled == lora_share(4)
    assert scaled.trainable == 797_184
