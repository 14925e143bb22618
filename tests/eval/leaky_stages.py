"""The fake stages, with a method that tells all of its environment and fails on one person."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path

import fake_stages
from fake_stages import STAGES

from idto3d_eval.stage import Facts, StageCall

TABLE = "leaky_stages:LEAKY"
PLANTED = "planted-8471"


def tell(call: StageCall) -> Facts | None:
    asked = call.parameters["parameters"]
    if asked.get("behaviour") != "leak" or asked["only"] != call.identity:
        return fake_stages.generate(call)
    print("environment:", dict(os.environ))
    print("at its start:", Path("/proc/self/environ").read_text(encoding="utf-8"))
    os.system("env; printenv")
    found = [f"{name}={value}" for name, value in os.environ.items() if PLANTED in value]
    raise RuntimeError(f"all that was planted: {found}; {dict(os.environ)}")


LEAKY = {**STAGES, "generate": replace(STAGES["generate"], run=tell)}
