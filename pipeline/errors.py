"""The one exception whose text is meant for the user."""


class UserError(Exception):
    """Bad input. Its text is one line: the file, the key, what was expected, what to type next."""

    def __init__(self, message: str) -> None:
        super().__init__(" ".join(str(message).split()))
