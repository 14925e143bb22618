"""Whether a model folder from outside is what its configs say, found out from headers alone.

Each part is built as shapes without memory, and held against the tensors that its files say they hold.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from idto3d.weight_bounds import WeightsError, check_weights, safetensors_header

Shapes = Mapping[str, tuple[int, ...]]
LORA_ENDS = (".lora_A.weight", ".lora_B.weight")
MAX_PATCH = 64  # pixels of a side


def check_model_folder(folder: Path) -> None:
    """Look at a folder in diffusers' format: every part that is there.

    Args:
        folder: with unet/, scheduler/, codec/ or vae/, condition_encoder/, and adapters lora_NAME/.

    Raises:
        WeightsError: with the first thing found.
    """
    from diffusers import AutoencoderKL, DDIMScheduler, UNet2DConditionModel

    check_weights(folder)
    parts: dict[str, Callable[[dict[str, Any]], Any]] = {
        "unet": UNet2DConditionModel.from_config,
        "vae": AutoencoderKL.from_config,
        "condition_encoder": _encoder,
    }
    built = {name: _build(folder / name, make) for name, make in parts.items() if (folder / name).is_dir()}
    for name, shapes in built.items():
        _require(shapes, _held(folder / name), folder / name)
    if (folder / "scheduler").is_dir():
        _build(folder / "scheduler", DDIMScheduler.from_config, "scheduler_config.json")
    if (folder / "codec").is_dir():
        patch = _config(folder / "codec" / "config.json").get("patch_size")
        if type(patch) is not int or not 1 <= patch <= MAX_PATCH:
            raise _refused(folder / "codec", f"patches of {patch!r:.40} pixels", f"1 to {MAX_PATCH}")
    for adapter in sorted(folder.glob("lora_*")):
        _check_adapter(adapter, built.get("unet"))


def _encoder(fields: dict[str, Any]) -> Any:
    from idto3d.guidance.condition_encoder import ConditionEncoder, ConditionEncoderConfig

    known = {each.name for each in dataclasses.fields(ConditionEncoderConfig)}
    if set(fields) - known:
        raise ValueError(f"an unknown field {sorted(set(fields) - known)[0]!r:.60}")
    attributes, expressions = fields.get("attributes"), fields.get("expressions")
    told = isinstance(attributes, dict) and isinstance(expressions, list)
    if not told or max(len(attributes or ()), len(expressions or ())) > 1000:
        raise ValueError("expressions that are no list or attributes that are no map, of at most 1000")
    return ConditionEncoder(ConditionEncoderConfig(**{**fields, "expressions": tuple(fields["expressions"])}))


def _build(folder: Path, make: Callable[[dict[str, Any]], Any], file: str = "config.json") -> Shapes:
    """The shapes of a part's tensors, by name, as its config has them."""
    import torch

    config = _config(folder / file)
    try:
        with torch.device("meta" if file == "config.json" else "cpu"):
            made = make(config)
        state = made.state_dict() if hasattr(made, "state_dict") else {}
        return {name: tuple(tensor.shape) for name, tensor in state.items()}
    except (
        Exception
    ) as error:  # a foreign config in a foreign constructor: whatever it raises is one bad file
        told = " ".join(str(error).split())[:120].rstrip(".") or type(error).__name__
        raise _refused(
            folder, f"a config that fits no model ({told})", "a part that diffusers reads"
        ) from error


def _held(folder: Path) -> Shapes:
    """The shapes of all tensors in a part's files; where there is an index, of those that it knows."""
    files = {
        path.name: {name: tuple(tensor["shape"]) for name, tensor in safetensors_header(path).items()}
        for path in sorted(folder.glob("*.safetensors"))
    }
    indexes = [_config(path).get("weight_map", {}) for path in sorted(folder.glob("*.index.json"))]
    if not indexes:
        return {name: shape for held in files.values() for name, shape in held.items()}
    found: dict[str, tuple[int, ...]] = {}
    for name, shard in (item for index in indexes for item in index.items()):
        if shard not in files:
            raise _refused(folder, f"no file {shard:.60}", "every file that its index names")
        if name in files[shard]:
            found[name] = files[shard][name]
    return found


def _require(wanted: Shapes, held: Shapes, folder: Path) -> None:
    for name, shape in wanted.items():
        if held.get(name) != shape:
            found = f"{name:.60} of shape {held[name]!r:.60}" if name in held else f"no {name:.60}"
            raise _refused(folder, found, f"one of shape {shape!r:.60}, as its config says")


def _check_adapter(folder: Path, unet: Shapes | None) -> None:
    for path in sorted(folder.glob("*.safetensors")):
        header = safetensors_header(path, metadata=True)
        _check_metadata(header.pop("__metadata__", {}), path)
        layers = {name.rsplit(".lora_", 1)[0] for name in header if name.endswith(LORA_ENDS)}
        strange = [name for name in header if not name.endswith(LORA_ENDS)]
        if strange or not layers:
            raise _refused(folder, f"{strange[0]!r:.60}" if strange else "no layer", "layers of an adapter")
        for layer in sorted(layers):
            _check_layer(layer, header, unet, folder)
    own = folder / "condition_encoder"
    if own.is_dir():
        _require(_build(own, _encoder), _held(own), own)


def _check_layer(layer: str, header: Mapping[str, Any], unet: Shapes | None, folder: Path) -> None:
    """Both sides of a layer, of one rank, and of the sizes of the layer that they change."""
    down, up = (header.get(layer + end, {}).get("shape", []) for end in LORA_ENDS)
    if len(down) < 2 or len(up) < 2 or down[0] != up[1]:
        raise _refused(folder, f"{layer!r:.60} of shapes {down!r:.30} and {up!r:.30}", "two of one rank")
    if unet is None:
        return
    weight = unet.get(f"{layer.removeprefix('unet.')}.weight")
    if weight is None or (weight[1], weight[0]) != (down[1], up[0]):
        found = f"an adapter of {layer!r:.60} from {down[1]} to {up[0]}"
        raise _refused(folder, found, "one that fits the denoiser")
    if [*down[2:], *up[2:]] != [*weight[2:], *(1 for _ in weight[2:])]:
        found = f"an adapter of {layer!r:.60} of shapes {down!r:.30} and {up!r:.30}"
        raise _refused(folder, found, "one that fits the denoiser")


def _check_metadata(told: Any, path: Path) -> None:
    """An adapter's settings name modules that its library would import: none may."""
    try:
        settings = json.loads(told.get("lora_adapter_metadata", "{}"))
    except (ValueError, RecursionError, AttributeError, TypeError):
        settings = None
    if not isinstance(settings, dict):
        raise _refused(path, "settings that cannot be read", "a JSON object")
    for name in ("auto_mapping", "megatron_config", "layer_replication"):
        if settings.get(name) is not None:
            raise _refused(path, f"{name} in its settings", "none")


def _config(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_bytes())  # checked by `check_weights`
    except OSError as error:
        raise _refused(path.parent, f"no {path.name} ({error.strerror})", "one") from error
    return found


def _refused(folder: Path, found: str, expected: str) -> WeightsError:
    return WeightsError(
        f"Found {found} in '{folder}', expected {expected}; get the model again or name another."
    )
