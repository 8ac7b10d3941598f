"""Where runs are published, and read back by serving."""
