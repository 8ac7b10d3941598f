"""Dataset → vectors. Plain Python: a trainer runs in a child process that knows no Django."""
