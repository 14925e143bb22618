"""Public networks in a folder of weights: brought whole or not at all, and every later change is seen."""

from __future__ import annotations

import hashlib
import json
import sys
import zipfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from idto3d.errors import UserError
from idto3d.profile import PUBLIC, load_profile
from idto3d_eval import networks, pull
from idto3d_eval.cli import Settings, app
from idto3d_eval.networks import NETWORKS, PRESETS, ROLES, Network

# Every name that a pattern of the table stands for, in these tests.
NAMES = {
    "tokenizer/*": "tokenizer/vocab.json",
    "text_encoder/*model*": "text_encoder/pytorch_model.bin",
    "vae/diffusion*": "vae/diffusion_pytorch_model.bin",
}


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), obj=Settings())


def content_of(network: Network, path: str) -> bytes:
    return f"{network.name} {path}".encode()


def write_network(network: Network, place: Path) -> Path:
    """A network's files under their real names, a few bytes each."""
    for pattern in network.files:
        path = place / NAMES.get(pattern, pattern)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content_of(network, NAMES.get(pattern, pattern)))
    (place / "README.md").write_text("not asked for")
    return place


@pytest.fixture
def downloaded(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of downloads, in the table's order under each kind of name, with the table's pins moved to
    what lies there."""
    folder = tmp_path / "downloads"
    for network in list(NETWORKS.values()):
        pins = {path: hashlib.sha256(content_of(network, path)).hexdigest() for path in network.sha256}
        monkeypatch.setitem(networks.NETWORKS, network.name, replace(network, sha256=pins))
        write_network(network, folder / network.name)
    return folder


@pytest.fixture
def weights(downloaded: Path, tmp_path: Path) -> Path:
    pull.pull("public", tmp_path / "public", downloaded)
    return tmp_path / "public"


def test_a_pulled_preset_is_a_folder_that_generate_takes(weights: Path) -> None:
    """Profile, mean head and every file that the profile names are there; nothing else of a network is."""
    assert load_profile(weights) == PUBLIC
    named = [PUBLIC.recogniser, PUBLIC.mean_head, PUBLIC.face_adapter.file, PUBLIC.detector.file]  # type: ignore[union-attr]
    assert [name for name in named if not (weights / name).is_file()] == []
    assert {path.name for path in weights.iterdir() if path.is_dir()} == set(PRESETS["public"])
    assert not list(weights.rglob("README.md"))


def test_pulling_again_changes_nothing(weights: Path, downloaded: Path) -> None:
    before = {path: path.stat().st_mtime_ns for path in weights.rglob("*.bin")}
    assert all(check.passed for check in pull.pull("public", weights, downloaded))
    assert {path: path.stat().st_mtime_ns for path in weights.rglob("*.bin")} == before


def test_pinned_files_are_told_from_those_first_seen_here(weights: Path) -> None:
    states = {f"{check.network}/{check.file}": check.state for check in pull.verify(weights)}
    assert states["buffalo_l/w600k_r50.onnx"] == "as pinned"
    assert states["buffalo_l/det_10g.onnx"] == "not pinned: hash recorded at first pull"
    lock = json.loads((weights / pull.LOCK).read_text())
    found = hashlib.sha256((weights / "buffalo_l/det_10g.onnx").read_bytes()).hexdigest()
    assert lock["networks"]["buffalo_l"]["det_10g.onnx"] == found


@pytest.mark.parametrize("path", ["buffalo_l/w600k_r50.onnx", "buffalo_l/det_10g.onnx"])
def test_a_changed_file_fails_verification_and_the_next_pull(
    weights: Path, downloaded: Path, path: str
) -> None:
    """Pinned or recorded: one bit more is seen, and the command says what to remove."""
    with (weights / path).open("ab") as file:
        file.write(b"x")
    failed = [check for check in pull.verify(weights) if not check.passed]
    assert [f"{check.network}/{check.file}" for check in failed] == [path]
    assert call("models", "verify", str(weights)).exit_code == 1
    with pytest.raises(UserError, match=r"remove '.*buffalo_l' and pull again"):
        pull.pull("public", weights, downloaded)


def test_a_missing_file_fails_verification(weights: Path) -> None:
    (weights / "antelopev2" / "glintr100.onnx").unlink()
    (weights / "stable-diffusion-v1-5" / "tokenizer" / "vocab.json").unlink()
    failed = {check.file for check in pull.verify(weights) if not check.passed}
    assert failed == {"glintr100.onnx", "tokenizer/*", "tokenizer/vocab.json"}


def test_another_version_of_a_pinned_file_is_refused_and_leaves_nothing(
    downloaded: Path, tmp_path: Path
) -> None:
    (downloaded / "antelopev2" / "glintr100.onnx").write_bytes(b"another")
    with pytest.raises(UserError, match=r"Found antelopev2/glintr100\.onnx of sha256"):
        pull.pull("antelopev2", tmp_path / "weights", downloaded)
    assert [path.name for path in (tmp_path / "weights").iterdir()] == []


@pytest.mark.parametrize(
    "place",
    ["IP-Adapter-FaceID", "h94/IP-Adapter-FaceID", "models--h94--IP-Adapter-FaceID/snapshots/abc", "."],
)
@pytest.mark.usefixtures("downloaded")
def test_a_network_is_found_where_people_keep_it(tmp_path: Path, place: str) -> None:
    """Under the hub's name, owner and name, in a copy of the hub's cache, or given by itself."""
    network = networks.NETWORKS["ip-adapter-faceid"]
    write_network(network, tmp_path / "kept" / place)
    checks = pull.pull(network.name, tmp_path / "weights", tmp_path / "kept")
    assert [check.state for check in checks] == ["as pinned"]


def test_what_is_not_there_gets_a_sentence(downloaded: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match="Found no networks called 'sdxl', expected one of public,"):
        pull.pull("sdxl", tmp_path / "weights")
    with pytest.raises(UserError, match="Found no folder at"):
        pull.pull("public", tmp_path / "weights", tmp_path / "none")
    (downloaded / "buffalo_l" / "det_10g.onnx").unlink()
    with pytest.raises(UserError, match=r"Found no buffalo_l below .* with det_10g\.onnx, w600k_r50\.onnx"):
        pull.pull("buffalo_l", tmp_path / "weights", downloaded)
    with pytest.raises(UserError, match=r"Found no pulled network in"):
        pull.verify(tmp_path)
    with pytest.raises(UserError, match=r"Found no folder and no network called 'nobody'.*shipped, "):
        pull.verify("nobody")


def test_without_a_hub_or_its_library_the_way_out_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Offline (as in every test), and where huggingface_hub is not installed."""
    with pytest.raises(UserError, match=r"Found no way to h94/IP-Adapter-FaceID .*--from"):
        pull.pull("ip-adapter-faceid", tmp_path / "weights")
    monkeypatch.setitem(sys.modules, "huggingface_hub", None)
    with pytest.raises(UserError, match=r"Found no huggingface_hub.*pip install"):
        pull.pull("ip-adapter-faceid", tmp_path / "weights")
    assert list((tmp_path / "weights").iterdir()) == []


@pytest.mark.usefixtures("downloaded")
def test_the_hub_is_asked_for_the_tables_files_at_its_revision(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    network = networks.NETWORKS["normal-adapted-sd1.5"]
    asked: dict[str, Any] = {}

    def snapshot_download(repository: str, **options: Any) -> None:
        asked.update(repository=repository, **options)
        write_network(network, Path(options["local_dir"]))
        (Path(options["local_dir"]) / ".cache").mkdir()

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    checks = pull.pull(network.name, tmp_path / "weights")
    assert all(check.passed for check in checks)
    assert asked["repository"] == "xanderhuang/normal-adapted-sd1.5"
    assert asked["revision"] == network.revision
    assert set(asked["allow_patterns"]) == set(network.files)
    assert not (tmp_path / "weights" / network.name / ".cache").exists()


def test_an_interrupted_download_is_gone_on_with(
    downloaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Ctrl-C leaves what came under another name; the same command again finds it there."""
    seen: list[list[str]] = []

    def snapshot_download(_: str, **options: Any) -> None:
        folder = Path(options["local_dir"])
        seen.append([path.name for path in folder.iterdir()])
        if len(seen) == 1:
            (folder / "half").write_bytes(b"half")
            raise KeyboardInterrupt
        write_network(networks.NETWORKS["ip-adapter-faceid"], folder)

    monkeypatch.setattr("huggingface_hub.snapshot_download", snapshot_download)
    with pytest.raises(KeyboardInterrupt):
        pull.pull("ip-adapter-faceid", tmp_path / "weights")
    assert not (tmp_path / "weights" / "ip-adapter-faceid").exists()
    assert pull.pull("ip-adapter-faceid", tmp_path / "weights")[0].passed
    assert seen == [[], ["half"]]
    assert downloaded.is_dir()


def test_a_pack_comes_from_insightfaces_release_nested_or_not(
    downloaded: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """antelopev2's archive holds a folder of its own name."""

    def download_file(_: str, path: str, overwrite: bool) -> None:
        assert overwrite
        Path(path).parent.mkdir(parents=True)
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(downloaded / "antelopev2" / "glintr100.onnx", "antelopev2/glintr100.onnx")

    monkeypatch.setattr("insightface.utils.storage.download_file", download_file)
    checks = pull.pull("antelopev2", tmp_path / "weights")
    assert [(check.file, check.passed) for check in checks] == [("glintr100.onnx", True)]
    assert not (tmp_path / "weights" / "antelopev2" / "pack").exists()


def test_no_profile_scores_with_what_it_conditions_with() -> None:
    """Another network from another training run, and the table says what is known of its loss."""
    rows = json.loads(call("models", "roles", "--json").stdout)
    assert {row["profile"] for row in rows} == set(ROLES)
    for profile in ROLES:
        conditions, scores = (row for row in rows if row["profile"] == profile)
        assert (conditions["role"], scores["role"]) == ("conditions", "scores")
        assert conditions["network"] != scores["network"]
        assert conditions["trained on"] != scores["trained on"]
    assert {row["loss"] for row in rows} <= {"ArcFace", "CosFace", networks.LOSS_UNKNOWN}
    # What conditions is what the profile embeds photos with.
    assert PUBLIC.recogniser.split("/")[0] == ROLES["public"]["conditions"]
    assert ROLES["public"]["scores"] not in PUBLIC.model_dump_json()


def test_everything_listed_can_be_shown_and_says_under_which_licence() -> None:
    rows = json.loads(call("models", "ls", "--json").stdout)
    assert set(NETWORKS) <= {row["name"] for row in rows}
    assert all(row["licence"] for row in rows)
    for row in rows:
        assert call("models", "show", row["name"]).exit_code == 0


def test_pins_are_whole_hashes_of_files_that_are_asked_for() -> None:
    for network in NETWORKS.values():
        for path, sha256 in network.sha256.items():
            assert path in network.files
            assert len(bytes.fromhex(sha256)) == 32


def test_shipped_networks_are_what_their_cards_say() -> None:
    assert call("models", "verify").exit_code == 0


def test_the_share_table_stops_at_the_paper_rank() -> None:
    rows = json.loads(call("models", "share", "--ranks", "9", "--json").stdout)
    assert [row["rank"] for row in rows if row["at most 0.2%"] == "yes"][-1] == "8"
    assert [row["rank"] for row in rows if row[""] == "paper profile"] == ["8"]
