"""The AWS half of the sandbox: moto's server, kept on disk, whose training jobs really run.

Offered are S3, Secrets Manager, SageMaker training jobs, CloudWatch Logs, IAM roles and STS; every other
service or call is refused by name. Loopback only; signatures are not checked.
"""
