"""The one exception a user sees as one clear line."""


class NoctuleError(Exception):
    """Something the user can act on. The command line prints the message and exits with 2."""
