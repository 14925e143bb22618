"""Hostile folders of weights: a prior with one file exchanged, its config absurd or its shards elsewhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from tests.hostile.case import ACCEPTED, EITHER, REFUSED, Case, damaged, one
from tests.hostile.networks import WEIGHTS, tensors
from tests.hostile.tables import texts

READER = "weights"
UNET = "unet/config.json"
LORA = "lora_geometry/pytorch_lora_weights.safetensors"
INDEX = "unet/diffusion_pytorch_model.safetensors.index.json"
ENCODER = "condition_encoder/config.json"


def cases() -> Iterator[Case]:
    """All of them; what a case does not exchange is the shipped prior's."""
    yield one("folder sound", READER, UNET, lambda: shipped(UNET), ACCEPTED)
    for file in (UNET, INDEX, ENCODER, "scheduler/scheduler_config.json", "codec/config.json"):
        for name, data in list(texts().items())[:9]:
            yield one(f"folder {file} {name}", READER, file, data)
    for place, value, expected in _fields():
        name = f"folder {place} = {str(value)[:40]}"
        yield one(name, READER, UNET, lambda p=place, v=value: _changed(UNET, p, v), expected)
    for place, value in _encoder_fields():
        name = f"folder encoder {place} = {str(value)[:40]}"
        yield one(name, READER, ENCODER, lambda p=place, v=value: _changed(ENCODER, p, v), EITHER)
    for name, shard in {
        "climbs": "../../../../etc/passwd",
        "absolute": "/etc/passwd",
        "pickle": "diffusion_pytorch_model.bin",
        "address": "https://192.0.2.1/a.safetensors",
        "number": 3,
        "missing": "nowhere.safetensors",
    }.items():
        yield one(f"folder shard {name}", READER, INDEX, lambda shard=shard: _sharded(shard))
    yield from damaged("folder adapter", READER, LORA, lambda: shipped(LORA)[:200_000], 3, 0)
    yield one("folder adapter empty", READER, LORA, tensors({}))
    yield one("folder adapter of others", READER, LORA, _other_adapter(), EITHER)
    for value in ("epsilon", "made up", 3, None):
        file = "scheduler/scheduler_config.json"
        yield one(
            f"folder predicts {value}",
            READER,
            file,
            lambda v=value, f=file: _changed(f, "prediction_type", v),
            EITHER,
        )


def shipped(file: str) -> bytes:
    """A file of the shipped prior."""
    return (WEIGHTS / "guidance" / file).read_bytes()


def _changed(file: str, place: str, value: Any) -> bytes:
    return json.dumps({**json.loads(shipped(file)), place: value}).encode()


def _sharded(shard: Any) -> bytes:
    index = json.loads(shipped(INDEX))
    return json.dumps({**index, "weight_map": dict.fromkeys(index["weight_map"], shard)}).encode()


def _other_adapter() -> bytes:
    place = {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}
    return tensors({"unet.nothing.lora_A.weight": place}, bytes(8))


def _fields() -> list[tuple[str, Any, str]]:
    return [
        ("block_out_channels", [2**40, 2, 2], REFUSED),
        ("block_out_channels", [], EITHER),
        ("block_out_channels", "wide", REFUSED),
        ("layers_per_block", 10**9, REFUSED),
        ("layers_per_block", -1, EITHER),
        ("sample_size", 10**12, REFUSED),
        ("sample_size", "large", EITHER),
        ("in_channels", 0, EITHER),
        ("in_channels", 10**9, REFUSED),
        ("cross_attention_dim", 10**9, REFUSED),
        ("down_block_types", ["MadeUp"] * 3, REFUSED),
        ("down_block_types", ["DownBlock2D"] * 100_000, REFUSED),
        ("transformer_layers_per_block", 10**7, REFUSED),
        ("_class_name", "os.system", EITHER),
        ("act_fn", "__import__", REFUSED),
        ("norm_num_groups", 0, REFUSED),
        ("norm_num_groups", 7, REFUSED),
        ("made_up", 1, EITHER),
    ]


def _encoder_fields() -> list[tuple[str, Any]]:
    return [
        ("width", 10**9),
        ("width", -1),
        ("width", "wide"),
        ("identity_tokens", 10**8),
        ("expressions", []),
        ("expressions", 3),
        ("expressions", ["a"] * 200_000),
        ("attributes", {"sex": 10**9}),
        ("attributes", []),
        ("maps", 10**6),
        ("made_up", 1),
    ]
