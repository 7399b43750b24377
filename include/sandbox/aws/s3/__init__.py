"""S3: objects as files, an index in SQLite, and the calls that training and Airflow need over HTTP."""
