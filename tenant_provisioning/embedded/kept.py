"""Files of a data directory that only their owner may read: generated secrets, and the settings of a running stack."""

import contextlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path


def write_private(path: Path, text: str) -> None:
    """The file holds exactly this text, for its owner only; a reader never sees half of one."""
    handle, draft = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mkstemp makes the file 0600
    try:
        with os.fdopen(handle, "w") as file:
            file.write(text)
        Path(draft).replace(path)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            Path(draft).unlink()
        raise


def kept_secret(path: Path, make: Callable[[], str]) -> str:
    """The secret in this file; made, and kept for ever, when there is none."""
    try:
        return path.read_text().strip()
    except FileNotFoundError:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_private(path, make() + "\n")
        return path.read_text().strip()
