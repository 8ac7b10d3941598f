"""The demo shop under load, while its workers, its broker and its web server are killed at random."""
