"""Snowflake's HTTP protocol as its connector speaks it: log in, statements, results, files."""
