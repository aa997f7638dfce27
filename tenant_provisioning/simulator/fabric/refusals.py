"""A refusal in Fabric's words, raised by the state. Which HTTP status that is belongs to each API's errors module."""


class Refusal(Exception):
    """The service declines: an error code, a sentence, and the thing it is about."""

    def __init__(self, code: str, message: str, *, resource: tuple[str, str] | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.resource = resource
