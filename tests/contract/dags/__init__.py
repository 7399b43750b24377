"""The DAGs of a bundle, run by `dag.test` against the sandbox."""
