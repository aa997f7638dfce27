"""What a browser's form says, as plain values: trimmed texts and rows of texts. Whether it makes sense is `model`'s to say."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.datastructures import FormData
from starlette.requests import Request

LONGEST = 4000  # characters of one field


@dataclass(frozen=True)
class Form:
    """What was entered, and what is wrong with it by field, for a template to show again."""

    values: Mapping[str, Any] = field(default_factory=dict)
    errors: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def __getitem__(self, name: str) -> Any:
        """What was entered there, or nothing."""
        return self.values.get(name, "")

    def wrong(self, name: str) -> Sequence[str]:
        """The sentences about this field."""
        return self.errors.get(name, ())


async def posted(request: Request) -> FormData:
    """The form, which the guard has read already."""
    return await request.form(max_files=0)


def text(form: FormData, name: str) -> str:
    """One field, trimmed and of a sane length; empty when it is missing or a file."""
    value = form.get(name)
    return value.replace("\x00", "").strip()[:LONGEST] if isinstance(value, str) else ""


def texts(form: FormData, names: Sequence[str]) -> dict[str, str]:
    """These fields."""
    return {name: text(form, name) for name in names}


def rows(form: FormData, prefix: str, columns: Sequence[str]) -> list[dict[str, str]]:
    """The fields `prefix.0.column`, `prefix.1.column` and so on, in the order of their numbers, gaps closed up."""
    numbers = {
        part for name in form if name.startswith(f"{prefix}.") for part in [name.split(".")[1]] if part.isdecimal()
    }
    return [
        {column: text(form, f"{prefix}.{number}.{column}") for column in columns} for number in sorted(numbers, key=int)
    ]
