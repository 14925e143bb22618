"""Priors of a small tuned share, for the protocol `efficiency`: each a folder of weights of its own."""

from __future__ import annotations

from pathlib import Path

from idto3d_eval.single import shipped_weights

# Percent of the base denoiser's parameters that are tuned, at most. Below 100 the base's condition encoder
# stays; at 100 it learns with a LoRA of rank 16 of all layers, and together they are 1.00 of the base.
SHARES: dict[str, float] = {"share_0p05": 0.05, "share_0p2": 0.2, "share_1": 1.0, "share_100": 100.0}
RANK_AT_100 = 16
# Of each prior: all shares learn from the same pictures for as long, whatever else the machine does.
STEPS, PATIENCE = 600, 1_000


def train_share(name: str, data: Path, out: Path, *, minutes: float, fresh: bool, threads: int) -> Path:
    """Train both priors of a share on the shipped base; the same call again goes on.

    Args:
        name: a name in `SHARES`.
        data: arrays of guidance, with the embeddings of their people.
        out: the folder of the share; the other shipped weights are linked into it.
        minutes: of both priors together, at most; `STEPS` take a fifth of the recipe's on an idle core.
        fresh: start over.
        threads: processor threads.

    Returns:
        `out`.
    """
    import torch

    from idto3d.train.prior import PriorOptions, link_base, train_prior

    torch.set_num_threads(threads)
    shipped = shipped_weights()
    link_base(shipped, out, leave={"guidance"})
    share = SHARES[name]
    tuned = {"rank": RANK_AT_100} if share >= 100.0 else {"share": share / 100.0}
    options = PriorOptions(minutes=minutes / 2.0, steps=STEPS, patience=PATIENCE, **tuned)
    for prior in ("geometry", "texture"):
        train_prior(shipped / "guidance", data, prior, out / "guidance", options, fresh=fresh)
    return out
