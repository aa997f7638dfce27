"""What goes wrong while vendors are called, for whoever wants to know: also what a repeat mends and nobody would hear of.

What becomes of it, and where it is kept, is not decided here.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from tenant_provisioning.model.errors import VendorError

Listener = Callable[[VendorError], None]
_listener: ContextVar[Listener | None] = ContextVar("listener", default=None)


@contextmanager
def heard_by(listener: Listener) -> Iterator[None]:
    """Within this block, and in the tasks begun in it, `listener` is told of every incident."""
    before = _listener.get()
    _listener.set(listener)
    try:
        yield
    finally:
        _listener.set(before)  # not reset: an async fixture may end in another context than it began in


def tell(incident: VendorError) -> None:
    """Whoever listens hears of it."""
    if (listener := _listener.get()) is not None:
        listener(incident)
