"""The one exception that users meet: a sentence that says what was found, what was expected, what to do."""


class UserError(Exception):
    """Bad input or a broken environment, told in one sentence; the command line prints it without a traceback."""
