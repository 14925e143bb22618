"""`power`: a claim's identities from numbers or a pilot in text and JSON, or one sentence why not."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import polars
import pytest
from scipy import stats
from typer.testing import CliRunner, Result

from idto3d.errors import UserError
from idto3d_eval import statistics
from idto3d_eval.cli import Settings, app
from idto3d_eval.power_plan import Claim, plan_claim, read_pilot


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["power", *arguments], obj=Settings())


@pytest.fixture(scope="module")
def pilot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pilot")
    rng, rows = np.random.default_rng(0), []
    for person in range(10):
        base = rng.normal()
        for method, gain in (("ours", 0.2), ("theirs", 0.0)):
            for view in range(3):
                rows.append((method, "now_median", f"p{person}", base + gain + 0.1 * rng.normal() + view))
            counted = 0.5 + gain + 0.02 * person
            rows.append((method, "identity_counted", f"p{person}", counted))
            rows.append((method, "identity_floor", f"p{person}", 0.1))
            rows.append((method, "identity_ceiling", f"p{person}", 0.6 + 0.02 * person))
    schema = ["method", "metric", "identity", "value"]
    polars.DataFrame(rows, schema=schema, orient="row").write_parquet(folder / "scores.parquet")
    return folder


def test_a_claim_says_its_identities_and_the_power_of_others() -> None:
    said = run("--effect", "0.5", "--sd", "0.5", "--identities", "9", "--json")
    assert said.exit_code == 0, said.output
    told = json.loads(said.stdout)
    assert told["identities"] == statistics.identities_needed(0.5, 0.5).identities
    assert told["power"] >= 0.8
    assert told["power_at"]["9"] == statistics.power_at(9, 0.5, 0.5)
    text = run("--effect", "0.5", "--sd", "0.5").stdout
    assert f"{told['identities']} for a power of 0.8" in text


def test_more_tests_need_more_identities() -> None:
    one, many = (plan_claim(Claim(0.5, 0.5, tests=tests)) for tests in (1, 40))
    assert many["level_of_one_test"] == pytest.approx(0.05 / 40)
    assert many["identities"] > one["identities"]


def test_a_pilot_tells_the_gap_and_its_spread_between_identities(pilot: Path) -> None:
    table = polars.read_parquet(pilot / "scores.parquet")
    table = (
        table.filter(table["metric"] == "now_median")
        .group_by("method", "identity")
        .agg(polars.col("value").mean())
    )
    wide = table.pivot("method", index="identity", values="value")
    gaps = (wide["ours"] - wide["theirs"]).to_numpy()
    read = read_pilot(pilot, "now_median", None, None)
    assert (read.first, read.second, len(read.gaps)) == ("ours", "theirs", 10)
    assert read.mean == pytest.approx(gaps.mean())
    assert read.sd == pytest.approx(gaps.std(ddof=1))
    assert read.sd_bound == pytest.approx(read.sd * np.sqrt(9 / stats.chi2.ppf(0.2, 9)))
    swapped = read_pilot(pilot, "now_median", "theirs", None)
    assert swapped.mean == pytest.approx(-read.mean)
    told = json.loads(run("--pilot", str(pilot), "--metric", "now_median", "--json").stdout)
    assert told["pilot"]["sd"] == told["sd"] == read.sd
    assert told["if_the_sd_is_larger"]["identities"] >= told["identities"]


def test_a_pilots_calibrated_gap_is_the_difference_of_the_ratios(pilot: Path) -> None:
    read = read_pilot(pilot, "calibrated_identity", "ours", "theirs")
    spans = 0.5 + 0.02 * np.arange(10)
    assert read.mean == pytest.approx(0.2 * 10 / spans.sum())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "Found no effect or no sd"),
        (("--effect", "0.5"), "Found no effect or no sd"),
        (("--effect", "0", "--sd", "1"), "expected a gap other than 0"),
        (("--effect", "1", "--sd", "0"), "above 0"),
        (("--pilot", "nowhere"), "expected a finished run"),
    ],
)
def test_what_cannot_be_planned_is_one_sentence(arguments: tuple[str, ...], said: str) -> None:
    found = run(*arguments)
    assert found.exit_code == 2
    assert said in found.stderr
    assert len(found.stderr.strip().splitlines()) == 1


def test_a_row_or_metric_that_is_not_there_is_named(pilot: Path) -> None:
    with pytest.raises(UserError, match="no 'now_median' of 'nobody'"):
        read_pilot(pilot, "now_median", "nobody", None)
    with pytest.raises(UserError, match="'beauty' of 0 rows"):
        read_pilot(pilot, "beauty", None, None)
