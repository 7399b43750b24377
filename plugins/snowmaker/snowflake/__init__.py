"""SQL as pure functions: values in, statement text out, no I/O."""
