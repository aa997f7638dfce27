"""The template workspace's content: a notebook that makes a lakehouse's tables, and the semantic model over them."""

import json

from tenant_provisioning.simulator.fabric.definitions import encoded
from tenant_provisioning.simulator.fabric.records import Part, TableData
from tenant_provisioning.simulator.world import (
    TEMPLATE_DATASET_ID,
    TEMPLATE_NOTEBOOK_ID,
    TEMPLATE_SQL_ENDPOINT_HOST,
    TEMPLATE_SQL_ENDPOINT_ID,
)

WORKSPACE_NAME = "Platform templates"
LAKEHOUSE_NAME = "template_lakehouse"
NOTEBOOK_NAME = "Create tenant tables"
MODEL_NAME = "Training template"

TABLES: dict[str, tuple[str, ...]] = {
    "tenant": ("organization_id",),
    "learners": ("id", "full_name", "email", "started_on"),
    "courses": ("id", "title", "level"),
    "enrolments": ("id", "learner_id", "course_id", "status", "enrolled_on"),
    "assessments": ("id", "enrolment_id", "subject", "score", "taken_on"),
    "attendance": ("id", "enrolment_id", "session_on", "minutes"),
}


def tables() -> dict[str, TableData]:
    """The template lakehouse's own tables: no tenant's rows."""
    return {name: TableData(columns, (("template",),) if name == "tenant" else ()) for name, columns in TABLES.items()}


def notebook() -> tuple[Part, ...]:
    """The notebook's definition."""
    creates = [
        f"CREATE TABLE IF NOT EXISTS {name} ({', '.join(f'{c} STRING' for c in columns)})"
        for name, columns in TABLES.items()
    ]
    fill = "INSERT INTO tenant VALUES ('{organization_id}')"
    cells = [
        {"cell_type": "code", "metadata": {"tags": ["parameters"]}, "source": ['organization_id = ""']},
        *(
            {"cell_type": "code", "metadata": {}, "source": [f'spark.sql(f"""{statement}""")']}
            for statement in (*creates, fill)
        ),
    ]
    content = {"nbformat": 4, "nbformat_minor": 5, "metadata": {"language_info": {"name": "python"}}, "cells": cells}
    return (
        encoded("notebook-content.ipynb", json.dumps(content)),
        platform("Notebook", NOTEBOOK_NAME, TEMPLATE_NOTEBOOK_ID),
    )


def model() -> tuple[Part, ...]:
    """The semantic model's definition, in TMDL."""
    listed = "\n".join(f"ref table {name}" for name in TABLES)
    return (
        encoded("definition.pbism", json.dumps({"version": "4.2", "settings": {}})),
        encoded("definition/database.tmdl", "database\n\tcompatibilityLevel: 1600\n\n"),
        encoded(
            "definition/model.tmdl",
            "model Model\n\tculture: en-US\n\tdefaultPowerBIDataSourceVersion: powerBI_V3\n"
            "\tsourceQueryCulture: en-US\n\n"
            f"{listed}\n\n",
        ),
        encoded("definition/expressions.tmdl", expressions(TEMPLATE_SQL_ENDPOINT_HOST, TEMPLATE_SQL_ENDPOINT_ID)),
        *(encoded(f"definition/tables/{name}.tmdl", _table(name, columns)) for name, columns in TABLES.items()),
        platform("SemanticModel", MODEL_NAME, TEMPLATE_DATASET_ID),
    )


def expressions(server: str, database: str) -> str:
    """The file that names the data source."""
    return (
        "expression DatabaseQuery =\n"
        "\t\tlet\n"
        f'\t\t\tdatabase = Sql.Database("{server}", "{database}")\n'
        "\t\tin\n"
        "\t\t\tdatabase\n"
        "\tlineageTag: 0d2f6c1e-2b5a-4c57-9a0f-6d7d3c1f6b11\n\n"
        "\tannotation PBI_IncludeFutureArtifacts = False\n"
    )


def platform(type: str, name: str, logical_id: str) -> Part:  # noqa: A002 - the vendor's word
    """The `.platform` file of an item."""
    schema = "https://developer.microsoft.com/json-schemas/fabric/gitIntegration/platformProperties/2.0.0/schema.json"
    content = {
        "$schema": schema,
        "metadata": {"type": type, "displayName": name},
        "config": {"version": "2.0", "logicalId": logical_id},
    }
    return encoded(".platform", json.dumps(content, indent=2))


def _table(name: str, columns: tuple[str, ...]) -> str:
    described = "".join(
        f"\tcolumn {c}\n\t\tdataType: string\n\t\tsummarizeBy: none\n\t\tsourceColumn: {c}\n\n" for c in columns
    )
    return (
        f"table {name}\n\n{described}"
        f"\tpartition {name} = m\n\t\tmode: import\n\t\tsource =\n"
        "\t\t\t\tlet\n\t\t\t\t\tSource = DatabaseQuery,\n"
        f'\t\t\t\t\tdbo_{name} = Source{{[Schema="dbo",Item="{name}"]}}[Data]\n'
        f"\t\t\t\tin\n\t\t\t\t\tdbo_{name}\n\n"
        "\tannotation PBI_ResultType = Table\n"
    )
