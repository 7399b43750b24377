"""A training job in OpenLineage's terms: the Snowflake table it read, and the artefact in S3 that it wrote.

The OpenLineage provider is optional: it is imported only when it asks.
"""

from __future__ import annotations

from typing import Any
from urllib.parse import urlsplit

from snowmaker.snowflake.identifiers import QualifiedName


def training_lineage(table: str, account: str | None, artefact_uri: str | None) -> Any:
    """Return the lineage of a training job.

    :param table: quoted full name of the table
    :param account: the Snowflake account's identifier; without it the table cannot be named
    :param artefact_uri: S3 address of the artefact, if there is one
    """
    from airflow.providers.common.compat.openlineage.facet import Dataset
    from airflow.providers.openlineage.extractors import OperatorLineage

    inputs = [Dataset(namespace=f"snowflake://{account}", name=dataset_name(table))] if account else []
    outputs = []
    if artefact_uri:
        parts = urlsplit(artefact_uri)
        outputs.append(Dataset(namespace=f"s3://{parts.netloc}", name=parts.path.strip("/")))
    return OperatorLineage(inputs=inputs, outputs=outputs)


def dataset_name(table: str) -> str:
    """Name a table as OpenLineage does.

    >>> dataset_name('"ML"."MORTGAGE"."TRAINING SET"')
    'ML.MORTGAGE.TRAINING SET'
    """
    name = QualifiedName.parse(table)
    return ".".join(part.name for part in (name.database, name.schema, name.object))
