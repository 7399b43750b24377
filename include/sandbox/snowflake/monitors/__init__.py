"""Model monitors: what one is made of, which rows it looks at, and the SQL of its metrics."""
