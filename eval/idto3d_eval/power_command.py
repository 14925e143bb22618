"""`power`: how many identities a claim needs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer


def command(
    effect: Annotated[
        float | None, typer.Option(help="The true gap between two methods, in the metric's unit.")
    ] = None,
    sd: Annotated[
        float | None, typer.Option(help="Standard deviation of that gap between identities.")
    ] = None,
    power: Annotated[
        float, typer.Option(min=0.01, max=0.9999, help="Probability with which it is to be found.")
    ] = 0.8,
    alpha: Annotated[
        float, typer.Option(min=1e-6, max=0.5, help="Error rate, over all tests together.")
    ] = 0.05,
    tests: Annotated[
        int, typer.Option(min=1, help="Tests that Holm corrects together; its worst step is counted on.")
    ] = 1,
    identities: Annotated[
        int | None, typer.Option(min=2, max=1_000_000, help="Also tell the power of so many identities.")
    ] = None,
    pilot: Annotated[
        str | None, typer.Option(help="A finished run, or its folder, that tells what is not given.")
    ] = None,
    metric: Annotated[str, typer.Option(help="The pilot's metric.")] = "calibrated_identity",
    first: Annotated[
        str | None, typer.Option(help="The pilot's row whose gap to the second is taken.")
    ] = None,
    second: Annotated[str | None, typer.Option(help="The pilot's other row.")] = None,
    runs: Annotated[Path, typer.Option(help="The folder that holds the runs.")] = Path("runs"),
    json: Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")] = False,
) -> None:
    """Tell how many identities a claim needs, by the paired test that the tables use."""
    from idto3d.errors import UserError
    from idto3d_eval.power_plan import CONFIDENCE, Claim, plan_claim, read_pilot
    from idto3d_eval.show import print_fields

    told: dict[str, Any] = {}
    read = None
    if pilot is not None:
        folder = Path(pilot) if Path(pilot).is_dir() else runs / pilot
        read = read_pilot(folder, metric, first, second)
        effect, sd = read.mean if effect is None else effect, read.sd if sd is None else sd
        told["pilot"] = {
            "metric": read.metric,
            "first": read.first,
            "second": read.second,
            "identities": len(read.gaps),
            "mean_gap": read.mean,
            "sd": read.sd,
        }
    if effect is None or sd is None:
        raise UserError("Found no effect or no sd, expected both; give --effect and --sd, or --pilot RUN.")
    claim = Claim(effect, sd, power, alpha, tests)
    told |= plan_claim(claim, [identities] if identities else [])
    if read is not None and sd == read.sd:
        # A pilot of few identities may have seen too little spread.
        wider = plan_claim(Claim(effect, read.sd_bound, power, alpha, tests))
        told["if_the_sd_is_larger"] = {
            "sd": read.sd_bound,
            "confidence": CONFIDENCE,
            "identities": wider["identities"],
        }
    print_fields(told if json else _in_words(told), json)


def _in_words(told: dict[str, Any]) -> dict[str, Any]:
    """The fields as a terminal shows them."""

    def need(count: int | None) -> str:
        return "no number up to 1,000,000" if count is None else f"{count:,}"

    rows: dict[str, Any] = {}
    if pilot := told.get("pilot"):
        rows["pilot"] = (
            f"{pilot['metric']} of {pilot['first']} less {pilot['second']}: {pilot['mean_gap']:+.4g}"
            f" over {pilot['identities']} identities, sd {pilot['sd']:.4g}"
        )
    rows["effect"] = (
        f"{told['effect']:g} with sd {told['sd']:.4g}: {told['standardised']:.3f} standard deviations"
    )
    rows["level"] = f"{told['level_of_one_test']:.3g} of one test, {told['alpha']:g} over {told['tests']}"
    rows["identities"] = f"{need(told['identities'])} for a power of {told['power_asked']:g}"
    if larger := told.get("if_the_sd_is_larger"):
        rows["identities"] += (
            f"; {need(larger['identities'])} if the sd is {larger['sd']:.4g}, below which it is with"
            f" probability {larger['confidence']:g}"
        )
    rows["power at"] = {f"{int(count):,}": f"{power:.3f}" for count, power in told["power_at"].items()}
    rows["test"] = told["test"]
    return rows
