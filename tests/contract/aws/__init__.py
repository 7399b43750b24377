"""Contract tests of the AWS sandbox."""
