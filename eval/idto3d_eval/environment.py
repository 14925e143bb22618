"""Which environment variables reach the processes that do jobs: those on a list, and no secret with them.

What a worker prints goes into logs and reasons, and those into reports and archives. So a worker knows where
programs, caches and devices are, and what a method's file asks for by name (`pass_environment`); the rest of
the shell's environment stays in the process that runs the command.
"""

from __future__ import annotations

import os
import re
from collections.abc import Collection, Iterable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from idto3d_baselines.specs import MethodSpec

NAMES = frozenset(
    {
        *(
            "PATH",
            "HOME",
            "LANG",
            "LANGUAGE",
            "TZ",
            "TMPDIR",
            "TEMP",
            "TMP",
            "SHELL",
            "USER",
            "LOGNAME",
            "TERM",
        ),
        *("PYTHONPATH", "PYTHONHOME", "VIRTUAL_ENV", "CONDA_PREFIX", "LD_LIBRARY_PATH", "LD_PRELOAD"),
        *("SYSTEMROOT", "COMSPEC", "PATHEXT", "APPDATA", "LOCALAPPDATA", "USERPROFILE"),  # of Windows
        # Caches and switches of libraries, name by name: beside them lie tokens under the same prefix.
        *("HF_HOME", "HF_HUB_CACHE", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "TORCH_HOME", "DISPLAY"),
        "NO_ALBUMENTATIONS_UPDATE",
        "RAY_AUTH_MODE",  # whether a cluster asks for a token, and no token
    }
)
PREFIXES = (
    *("LC_", "XDG_", "IDTO3D_", "PYTHON", "MALLOC_", "COVERAGE_", "COV_CORE_"),
    *("CUDA_", "NVIDIA_", "NCCL_", "PYTORCH_", "TORCH_NUM_", "TORCHINDUCTOR_", "TRITON_", "ROCR_", "HIP_"),
    *("OMP_", "KMP_", "MKL_", "OPENBLAS_", "NUMEXPR_", "GOMP_", "POLARS_", "RAY_"),
)
_dropped: dict[str, str] = {}  # what this process had and does not hand on
# Whatever it begins with, a name with one of these words holds a secret.
SECRET = re.compile(
    r"TOKEN|SECRET|PASSW|PASSPHRASE|CREDENTIAL|AUTH|PRIVATE|(^|_)(API|ACCESS|KEY)(_|$)|KEY$", re.I
)


def handed_on(asked: Collection[str] = ()) -> dict[str, str]:
    """The variables of this process that a worker gets.

    Args:
        asked: names that methods' files ask for, as `asked_for` finds them.
    """
    return {name: value for name, value in os.environ.items() if is_handed_on(name, asked)}


def is_handed_on(name: str, asked: Collection[str] = ()) -> bool:
    """Whether a variable reaches a worker."""
    return name in asked or name in NAMES or (name.startswith(PREFIXES) and not SECRET.search(name))


def asked_for(specs: Iterable[MethodSpec]) -> frozenset[str]:
    """The variables that methods from outside name in their files."""
    return frozenset(name for spec in specs for name in spec.settings.get("pass_environment", ()))


def drop_others(asked: Collection[str] = ()) -> None:
    """Take all other variables out of this process's environment, and so of all that it starts."""
    for name in [name for name in os.environ if not is_handed_on(name, asked)]:
        _dropped[name] = os.environ.pop(name)


@contextmanager
def with_dropped() -> Iterator[None]:
    """As before `drop_others`, for what speaks to a store by the credentials in the environment."""
    back = {name: value for name, value in _dropped.items() if name not in os.environ}
    os.environ.update(back)
    try:
        yield
    finally:
        for name in back:
            os.environ.pop(name, None)


@contextmanager
def without_others(asked: Collection[str] = ()) -> Iterator[None]:
    """As `drop_others`, while the processes are started that would inherit them."""
    before = dict(os.environ)
    drop_others(asked)
    try:
        yield
    finally:
        for name, value in before.items():
            os.environ.setdefault(name, value)
