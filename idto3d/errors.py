"""The one exception that users meet: what was found, what was expected, what to do."""


class UserError(Exception):
    """Bad input or a broken environment, told in one sentence and without a traceback."""
