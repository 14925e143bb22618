"""Model folders that tests save and `from_pretrained` reads: the tiny base's format and Stable
Diffusion's."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from diffusers import AutoencoderKL, DDIMScheduler
from transformers import CLIPTextConfig, CLIPTextModel, CLIPTokenizer

from idto3d.guidance import base
from tests.guidance.models import small_unet


@pytest.fixture(scope="session")
def tiny_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained model folder in the tiny base's format."""
    folder = tmp_path_factory.mktemp("tiny")
    torch.manual_seed(0)
    encoder = base.make_encoder()
    base.write(folder, small_unet(), base.make_scheduler(), base.make_codec(), encoder)
    return folder


@pytest.fixture(scope="session")
def sd_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A random checkpoint in Stable Diffusion 1.5's format: UNet, autoencoder, CLIP text encoder,
    tokenizer."""
    folder = tmp_path_factory.mktemp("sd")
    small_unet(
        sample_size=8,
        in_channels=4,
        out_channels=4,
        cross_attention_dim=32,
        class_embed_type=None,
        projection_class_embeddings_input_dim=None,
    ).save_pretrained(folder / "unet")
    AutoencoderKL(
        block_out_channels=(8, 8, 8, 8),
        norm_num_groups=4,
        latent_channels=4,
        down_block_types=("DownEncoderBlock2D",) * 4,
        up_block_types=("UpDecoderBlock2D",) * 4,
    ).save_pretrained(folder / "vae")
    DDIMScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012).save_pretrained(
        folder / "scheduler"
    )
    letters = "abcdefghijklmnopqrstuvwxyz-,"
    pieces = [*letters, *(f"{letter}</w>" for letter in letters)]
    # Merges that make one token of the placeholder.
    merges = ["p e", "pe r", "per s", "pers o", "perso n</w>"]
    pieces += ["pe", "per", "pers", "perso", "person</w>", "<|startoftext|>", "<|endoftext|>"]
    tokenizer = folder / "tokenizer"
    tokenizer.mkdir()
    (tokenizer / "vocab.json").write_text(json.dumps({piece: i for i, piece in enumerate(pieces)}))
    (tokenizer / "merges.txt").write_text("#version: 0.2\n" + "\n".join(merges) + "\n")
    CLIPTokenizer(str(tokenizer / "vocab.json"), str(tokenizer / "merges.txt")).save_pretrained(tokenizer)
    end = len(pieces) - 1
    CLIPTextModel(
        CLIPTextConfig(
            vocab_size=len(pieces),
            hidden_size=32,
            intermediate_size=32,
            num_hidden_layers=1,
            num_attention_heads=2,
            max_position_embeddings=77,
            bos_token_id=end - 1,
            eos_token_id=end,
            pad_token_id=end,
        )
    ).save_pretrained(folder / "text_encoder")
    classes = {"unet": ["diffusers", "UNet2DConditionModel"], "vae": ["diffusers", "AutoencoderKL"]}
    (folder / "model_index.json").write_text(
        json.dumps({"_class_name": "StableDiffusionPipeline", **classes})
    )
    return folder


@pytest.fixture(scope="session")
def data_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twenty people whose flat pictures have the colour that their embedding says."""
    folder, random = tmp_path_factory.mktemp("views"), np.random.default_rng(0)
    person = np.repeat(np.arange(20), 6).astype(np.int32)
    centre = random.standard_normal((20, 1, 128))
    embeddings = centre + 0.3 * random.standard_normal((20, 5, 128))
    embeddings /= np.linalg.norm(embeddings, axis=-1, keepdims=True)
    colour = (127 + 100 * np.tanh(centre[:, 0, :3])).astype(np.uint8)[person]
    for kind in ("photograph", "normals", "shaded"):
        np.save(folder / f"{kind}.npy", np.broadcast_to(colour[:, None, None], (120, 64, 64, 3)))
    np.save(folder / "person.npy", person)
    np.save(folder / "expression.npy", random.integers(0, 13, 120))
    np.save(folder / "camera.npy", random.standard_normal((120, 8)).astype(np.float32))
    for layer in ("place", "mean_coloured", "mean_normals"):
        np.save(folder / f"{layer}.npy", random.random((120, 3, 64, 64)).astype(np.float16))
    np.save(folder / "attributes.npy", np.stack([random.integers(0, n, 120) for n in (2, 3, 6, 4, 5, 3)], 1))
    np.save(folder / "embeddings.npy", embeddings.astype(np.float32))
    return folder
