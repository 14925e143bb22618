"""The cost of a step: counted from what a step asks, beside its parts; the paper's networks made small."""

from __future__ import annotations

import itertools
import json
from dataclasses import replace
from typing import Any

import pytest
import torch
from typer.testing import CliRunner

from idto3d.expressions import EXPRESSIONS
from idto3d_eval.bench import generator_cost
from idto3d_eval.bench.generator_cost import GeneratorCost, KeepingGuidance, Watch, cost_of_generator
from idto3d_eval.bench.generator_setup import SD15, embedded_setup, random_setup
from idto3d_eval.cli import Settings, app

SMALL = {
    "unet": {
        **SD15["unet"],
        **{"sample_size": 8, "block_out_channels": (8, 8, 8, 8), "cross_attention_dim": 16},
        **{"attention_head_dim": 2, "layers_per_block": 1, "norm_num_groups": 4},
    },
    "vae": {**SD15["vae"], "sample_size": 64, "block_out_channels": (8,) * 4, "norm_num_groups": 4},
    "text_encoder": {
        **{"vocab_size": 99, "hidden_size": 16, "intermediate_size": 16, "num_hidden_layers": 1},
        **{"num_attention_heads": 2, "max_position_embeddings": 77},
    },
}


@pytest.fixture(scope="module")
def cost() -> GeneratorCost:
    """Two steps of each stage on a coarse grid."""
    setup = embedded_setup("smoke")
    coarse = replace(setup.settings, grid_resolution=56, faces=3000, texture_size=64, views=4)
    from idto3d.generate import start_grid

    setup = replace(setup, settings=coarse, grid=lambda: start_grid(setup.mean_head, 56))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(generator_cost, "PROFILED", 2)
        patch.setattr(generator_cost, "REPEATS", 2)
        return cost_of_generator(setup, 2, threads=1, processor_time=True, top=5)


def test_each_stage_has_its_parts_and_the_sum_is_theirs(cost: GeneratorCost) -> None:
    geometry, texture = cost.stages
    assert {part.name for part in geometry.parts if part.counted} == set(cost.setup.parts)
    assert {part.name for part in texture.parts if part.counted} == {"denoiser", "encoder", "ray caster"}
    for stage in cost.stages:
        assert stage.total == pytest.approx(sum(part.seconds for part in stage.parts if part.counted))
        assert stage.ratio == pytest.approx(stage.step / stage.total)
        assert all(part.seconds > 0.0 for part in stage.parts)
        assert len(stage.top) == 5


def test_calls_are_those_of_the_timed_steps_alone(cost: GeneratorCost) -> None:
    """Of one view a step, one call of the guided terms; and one of four reference views where a phase opens
    in the two steps."""
    for stage in cost.stages:
        calls = {size: count for size, count in stage.batches.items() if size != 4}
        assert sum(calls.values()) == 1.0
        assert all(1 <= size <= 3 for size in calls)
        assert stage.batches.get(4, 0.0) <= 1.0


def test_a_head_is_extrapolated_from_steps_and_what_lies_outside(cost: GeneratorCost) -> None:
    settings = cost.setup.settings
    geometry, texture = cost.stages
    steps = settings.geometry_steps * geometry.step + settings.texture_steps * texture.step
    assert cost.extrapolated == pytest.approx(steps + sum(cost.outside.values()))
    assert {name for name, _, _ in cost.bars()} == {
        "geometry step over its parts",
        "texture step over its parts",
        "seconds a head, extrapolated",
    }


def test_what_is_printed_is_what_was_measured(cost: GeneratorCost) -> None:
    record = json.loads(json.dumps(cost.record()))
    assert record["expressions"] == len(EXPRESSIONS)
    assert record["stages"]["geometry"]["sum_ms"] == pytest.approx(1e3 * cost.stages[0].total)
    assert cost.failed == (not all(bar["passed"] for bar in record["bars"]))
    tables = list(cost.tables())
    assert any(row.get("bound") == "≤ 1.15" for table in tables for row in table)
    for table in tables:
        assert len({tuple(row) for row in table}) == 1


def test_a_guidance_that_keeps_what_it_is_asked_answers_as_the_real_one() -> None:
    setup = random_setup("smoke", SMALL, torch.device("cpu"), torch.float32, 56)
    real = setup.guidance("geometry")
    keeping = KeepingGuidance(real)
    images = torch.rand(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    assert torch.equal(keeping.encode(images), real.encode(images))
    assert keeping.resolution == real.resolution == 64
    assert keeping.pictures == [((1, 3, 64, 64), False)]
    keeping.forget()
    assert keeping.pictures == []


def test_a_watch_keeps_only_the_steps_between_warming_up_and_profiling() -> None:
    times = itertools.count()
    keeping = KeepingGuidance(
        random_setup("smoke", SMALL, torch.device("cpu"), torch.float32, 56).guidance("")
    )
    watch = Watch(keeping, 4, lambda: float(next(times)))
    for done in range(1, watch.total + 1):
        keeping.encode(torch.rand(done, 3, 64, 64))
        watch(done, watch.total, "any")
    kept = [shape[0] for shape, _ in watch.pictures]
    assert kept == list(range(generator_cost.WARM_UP + 1, generator_cost.WARM_UP + 5))


def test_the_papers_networks_have_stable_diffusions_size() -> None:
    """SD 1.5's denoiser has 859.5 million parameters; counted without allocating them."""
    from diffusers import UNet2DConditionModel

    with torch.device("meta"):
        unet = UNet2DConditionModel(**SD15["unet"])
    assert sum(parameter.numel() for parameter in unet.parameters()) == 859_520_964


@pytest.mark.skipif(torch.cuda.is_available(), reason="a CUDA device measures it instead")
def test_without_cuda_the_papers_size_is_not_measured_and_the_command_is_said() -> None:
    result: Any = CliRunner().invoke(app, ["bench", "generator", "--profile", "paper"], obj=Settings())
    assert result.exit_code == 0
    assert "not measured" in result.stdout
    assert "--profile paper" in result.stdout
