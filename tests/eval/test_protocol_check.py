"""`protocols validate`: every file is checked, each fault is a sentence, and the exit code says so."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from idto3d_eval.cli import Settings, app
from idto3d_eval.estimate import estimated_seconds, heads_to_make
from idto3d_eval.protocol_check import check_protocol
from idto3d_eval.single import shipped_weights
from idto3d_protocols.loader import load_protocol, protocol_text
from idto3d_protocols.schema import json_schema


def call(*arguments: str) -> Any:
    return CliRunner().invoke(app, list(arguments), obj=Settings())


def written(tmp_path: Path, name: str, *changes: tuple[str, str]) -> str:
    text = protocol_text("smoke")
    for before, after in changes:
        assert before in text
        text = text.replace(before, after)
    path = tmp_path / f"{name}.yaml"
    path.write_text(text)
    return str(path)


def test_all_files_are_checked_and_not_only_the_first(tmp_path: Path) -> None:
    first = written(tmp_path, "first", ("seeds: [0]", "seeds: none"))
    second = written(tmp_path, "second", ("method: template_mean", "method: nobody"))
    result = call("protocols", "validate", first, "smoke", second)
    assert result.exit_code == 2
    assert "seeds" in result.stderr
    assert "'nobody'" in result.stderr
    assert result.stderr.count("\n") == 2
    assert result.stdout == "smoke: smoke version 1 is well\n"


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("[identity, expression, geometry, cost]", "[identity, beauty]", "the metrics 'beauty'"),
        ("[neutral, smile]", "[neutral, yawn]", "the expression 'yawn'"),
        ("[heldout-0000, heldout-0001]", "[heldout-0000, ann]", "names 'ann', expected SPLIT-NNNN"),
        ("[heldout-0000, heldout-0001]", "[heldout-0000, shifted-0001]", "expected 'mixed'"),
        ("[heldout-0000, heldout-0001]", "[heldout-0000, guidance-0001]", "guidance-0001 among the people"),
        ("profile: embedded", "profile: paper", "profile 'paper'"),
        ("scoring_photos: 1", "scoring_photos: 1\n  seen: [guidance]", "names nobody of it"),
    ],
)
def test_what_cannot_be_run_or_believed_is_a_sentence(
    tmp_path: Path, before: str, after: str, expected: str
) -> None:
    text = written(tmp_path, "mine", (before, after))
    if after.startswith("profile"):
        Path(text).write_text(Path(text).read_text().replace("template_mean", "feed_forward"))
    wrong = check_protocol(text, shipped_weights()).wrong
    assert any(expected in sentence for sentence in wrong), wrong
    assert all(sentence.endswith(".") and "\n" not in sentence for sentence in wrong)


def test_several_faults_of_one_file_are_all_told(tmp_path: Path) -> None:
    path = written(
        tmp_path, "mine", ("[neutral, smile]", "[neutral, yawn]"), ("method: oracle", "method: nobody")
    )
    assert len(check_protocol(path, shipped_weights()).wrong) == 2


def test_the_list_says_question_heads_and_time() -> None:
    rows = {row["name"]: row for row in json.loads(call("protocols", "ls", "--json").stdout)}
    assert rows["smoke"]["question"] == "Does every stage run?"
    assert rows["smoke"]["heads"] == "6"
    assert rows["unseen_ids"]["two cores"] == "about 75 min"


def test_the_estimate_of_unseen_ids_is_what_it_took() -> None:
    """2.6 hours of one core (version 5), here on two."""
    assert estimated_seconds(load_protocol("unseen_ids")) == pytest.approx(2.6 * 3600 / 2, rel=0.1)
    assert heads_to_make(load_protocol("unseen_ids")) == 19 * 12


def test_the_schema_is_printed() -> None:
    assert json.loads(call("protocols", "schema").stdout) == json.loads(json.dumps(json_schema()))
