"""The self-checks of appearance pass, through the shipped networks where they need them."""

from idto3d_eval.selfcheck import appearance


def test_every_self_check_passes() -> None:
    assert [check for check in appearance.checks() if not check.passed] == []
