"""A stage whose jobs can take much memory."""

from __future__ import annotations

import os
import signal
import time

from idto3d_eval.stage import Stage, StageCall


def hold(call: StageCall) -> None:
    """Holds so many MiB for a while, asks for more than any machine has, or is ended as by the system."""
    asked = str(call.parameters.get("hold", ""))
    if asked == "all":
        bytearray(2**62)
    elif asked == "killed":
        os.kill(os.getpid(), signal.SIGKILL)
    elif asked:
        held = b"1" * (int(asked) * 2**20)
        time.sleep(float(call.parameters["seconds"]))
        del held
    (call.out / "slept.txt").write_text(call.job)


STAGES = {"sleep": Stage(hold, fields=(), seconds=0.0)}
