"""A stand-in for Snowflake: fakesnow's engine on disk, with models, transactions and Snowflake's errors."""
