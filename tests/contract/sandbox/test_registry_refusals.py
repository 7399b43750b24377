"""What the sandbox does not do for models it refuses by name, and leaves everything as it was."""

from __future__ import annotations

from collections.abc import Iterator

import pandas as pd
import pytest
import snowflake.connector
from sklearn.linear_model import LogisticRegression
from snowflake.ml.model import Model
from snowflake.ml.registry import Registry
from snowflake.snowpark import Session
from snowflake.snowpark.exceptions import SnowparkSQLException
from snowflake_support import refused

from include.sandbox.process import Sandbox

FRAME = pd.DataFrame({"A": [1.0, 2.0], "B": [0.0, 1.0]})


@pytest.fixture(scope="module")
def session(sandbox: Sandbox) -> Iterator[Session]:
    """A Snowpark session."""
    with Session.builder.configs(sandbox.settings.connection()).create() as opened:
        yield opened


@pytest.fixture(scope="module")
def model(session: Session) -> Iterator[Model]:
    """A model that may run in container services, too."""
    registry = Registry(session, database_name="SANDBOX", schema_name="PUBLIC")
    registry.log_model(
        LogisticRegression().fit(FRAME, [0, 1]),
        model_name="REFUSING",
        version_name="V1",
        sample_input_data=FRAME,
        pip_requirements=["scikit-learn"],
    )
    yield registry.get_model("REFUSING")
    registry.delete_model("REFUSING")


def test_services_of_a_model_are_refused(model: Model) -> None:
    version = model.version("V1")
    with pytest.raises(SnowparkSQLException, match="sandbox does not implement"):
        version.create_service(service_name="S", service_compute_pool="POOL", ingress_enabled=False)
    assert version.list_services().empty


@pytest.mark.parametrize(
    ("statement", "code", "text"),
    [
        ("CREATE MODEL m FROM MODEL REFUSING", 2, "CREATE MODEL without WITH VERSION"),
        ("CREATE MODEL m WITH LIVE VERSION v", 2, "CREATE MODEL"),
        ("ALTER MODEL REFUSING ADD LIVE VERSION v", 2, "ALTER MODEL"),
        ("ALTER MODEL REFUSING COMMIT VERSION V1", 2, "ALTER MODEL"),
        ("ALTER MODEL REFUSING UNSET COMMENT", 2, "ALTER MODEL"),
        ("ALTER MODEL REFUSING SET COMMENT = 'a' COMMENT = 'b'", 1003, "SET is followed by"),
        ("ALTER MODEL REFUSING SET OWNER = 'a'", 1003, "SET is followed by"),
        ("ALTER MODEL REFUSING SET COMMENT = a", 1003, "COMMENT is a text"),
        ("CREATE OR REPLACE MODEL IF NOT EXISTS m WITH VERSION v FROM MODEL REFUSING", 1003, "exclude one another"),
        ("CREATE MODEL nobody.m WITH VERSION v FROM MODEL REFUSING", 2003, "Schema 'SANDBOX.NOBODY'"),
        ("CREATE MODEL nobody.public.m WITH VERSION v FROM MODEL REFUSING", 2003, "Database 'NOBODY'"),
        ("CREATE MODEL information_schema.m WITH VERSION v FROM MODEL REFUSING", 2003, "INFORMATION_SCHEMA"),
        ("UNDROP MODEL REFUSING", 2, "UNDROP MODEL"),
        ("SELECT * FROM INFORMATION_SCHEMA.MODELS", 2003, "MODELS"),
        ("SELECT SYSTEM$IMPORT_MODEL('x')", 2, "SYSTEM.IMPORT_MODEL"),
    ],
)
def test_a_statement_that_is_not_there_is_refused(
    sandbox: Sandbox, model: Model, statement: str, code: int, text: str
) -> None:
    with snowflake.connector.connect(**sandbox.settings.connection()) as connection:
        with refused(code, text):
            connection.cursor().execute(statement)
        shown = connection.cursor().execute('SHOW MODELS ->> SELECT "name", "versions", "comment" FROM $1').fetchall()
    assert ("REFUSING", '["V1"]', None) in shown
    assert not [row for row in shown if row[0] == "M"]
