"""The head model's first build reads Anny's files to the same bits, and is one process's work."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch
from anny.models import full_model
from anny.paths import get_anny_root_dir

from idto3d.population import first_build
from idto3d.population.first_build import build_elsewhere, quick_targets, read_target


class Turned:
    """A transformation that tells whether it was applied."""

    def apply(self, shape: torch.Tensor) -> torch.Tensor:
        return 2.0 * shape


def target(path: Path, text: str) -> Path:
    with gzip.open(path, "wt") as packed:
        packed.write(text)
    return path


@pytest.mark.parametrize("number", range(0, 1000, 250))
def test_targets_of_anny_are_read_to_the_same_bits(number: int) -> None:
    files = sorted((Path(get_anny_root_dir()) / "data").rglob("*.target.gz"))
    given = (files[number], 20_000, Turned(), torch.float32)
    assert torch.equal(read_target(*given), full_model.load_blend_shape(*given))


def test_the_last_of_two_lines_of_one_vertex_counts_and_no_line_is_no_displacement(tmp_path: Path) -> None:
    twice = target(tmp_path / "twice.gz", "1 0.1 0.2 0.3\n0 1 1 1\n1 4 5 6\n")
    assert read_target(twice, 3, Turned(), torch.float64).tolist() == [[2, 2, 2], [8, 10, 12], [0, 0, 0]]
    assert read_target(target(tmp_path / "none.gz", ""), 2, Turned(), torch.float64).abs().sum() == 0


@pytest.mark.parametrize("text", ["3 0 0 0\n", "-1 0 0 0\n", "0 0 0\n"])
def test_a_file_of_another_mesh_is_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(ValueError, match=r"Found vertices|cannot reshape"):
        read_target(target(tmp_path / "a.gz", text), 3, Turned(), torch.float32)


def test_annys_own_reader_is_back_afterwards() -> None:
    own = full_model.load_blend_shape
    with quick_targets():
        assert full_model.load_blend_shape is read_target
    assert full_model.load_blend_shape is own


def test_what_is_in_the_cache_is_not_built_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("IDTO3D_CACHE", str(tmp_path))
    monkeypatch.setattr(first_build.subprocess, "run", pytest.fail)
    (tmp_path / "head-model-5.npz").touch()
    build_elsewhere(pytest.fail)
