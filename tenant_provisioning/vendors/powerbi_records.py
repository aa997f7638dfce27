"""What Power BI tells, as records of ours: the few fields this product needs, each read from the vendor's JSON in one
place.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Self

JsonObject = Mapping[str, Any]


@dataclass(frozen=True)
class Group:
    """A workspace, as Power BI calls it; the same object and id as Fabric's."""

    id: str
    name: str
    capacity_id: str | None = None
    on_capacity: bool = False

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Group."""
        return cls(body["id"], body["name"], body.get("capacityId"), bool(body.get("isOnDedicatedCapacity")))


@dataclass(frozen=True)
class Report:
    """A report and the dataset it is bound to; `web_url` opens it for a person."""

    id: str
    name: str
    dataset_id: str | None = None
    web_url: str | None = None
    embed_url: str | None = None

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Report; one inside an import tells less."""
        return cls(body["id"], body["name"], body.get("datasetId"), body.get("webUrl"), body.get("embedUrl"))


@dataclass(frozen=True)
class Dataset:
    """A dataset, which Fabric calls a semantic model; the id is the same."""

    id: str
    name: str
    web_url: str | None = None

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Dataset; one inside an import tells less."""
        return cls(body["id"], body["name"], body.get("webUrl"))


@dataclass(frozen=True)
class Datasource:
    """What a dataset reads from, as its definition says; `gateway_id` and `id` are empty until it is bound to a
    connection.
    """

    type: str
    server: str
    database: str
    gateway_id: str | None = None
    id: str | None = None

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From a Datasource."""
        details = body.get("connectionDetails") or {}
        return cls(
            body["datasourceType"],
            details.get("server") or "",
            details.get("database") or "",
            body.get("gatewayId") or None,
            body.get("datasourceId") or None,
        )


@dataclass(frozen=True)
class Import:
    """An import, wherever it is: `state` is Publishing, Succeeded or Failed."""

    id: str
    name: str
    state: str

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From an Import. Whether its name keeps the file's extension it was asked under is not documented."""
        return cls(body["id"], (body.get("name") or "").removesuffix(".pbix"), body.get("importState") or "")


@dataclass(frozen=True)
class ImportResult:
    """What a .pbix became. A package with a model brings a dataset of its own, which stays behind when its report is
    rebound.
    """

    id: str
    reports: tuple[Report, ...]
    datasets: tuple[Dataset, ...]

    @classmethod
    def read(cls, body: JsonObject) -> Self:
        """From an Import that has succeeded."""
        return cls(
            body["id"],
            tuple(map(Report.read, body.get("reports") or ())),
            tuple(map(Dataset.read, body.get("datasets") or ())),
        )
