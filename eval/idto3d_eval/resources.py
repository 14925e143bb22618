"""What a job takes of a machine, for executors that place jobs on several; it changes no result."""

from __future__ import annotations

from dataclasses import dataclass

from idto3d_baselines.specs import MethodSpec

# Beside the time that a program from outside is given by its own file, after which it is ended from within.
GRACE_SHARE, GRACE_S = 0.1, 60.0


@dataclass(frozen=True)
class Resources:
    """Beside the threads that a job is pinned to.

    Attributes:
        gpus: share of a GPU, or several.
        memory_mib: main memory that is set aside; 0 for none in particular.
        limit_s: after which a job is given up; 0 for never.
    """

    gpus: float = 0.0
    memory_mib: float = 0.0
    limit_s: float = 0.0


NOTHING_BESIDE = Resources()


def resources_of(spec: MethodSpec, profile: str) -> Resources:
    """What making one head by a method takes.

    A method from outside declares it in its file (`resources`, `timeout_s`). Of this package's own, those
    that ask the diffusion model take a GPU in the paper's profile.
    """
    if spec.outside:
        declared = spec.settings.get("resources", {})
        limit = float(spec.settings.get("timeout_s", 0.0))
        return Resources(
            gpus=float(declared.get("gpus", 0.0)),
            memory_mib=float(declared.get("memory_mib", 0.0)),
            limit_s=limit * (1.0 + GRACE_SHARE) + GRACE_S if limit else 0.0,
        )
    return Resources(gpus=1.0 if profile == "paper" and spec.needs_sds else 0.0)
