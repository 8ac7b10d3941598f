"""The demo: one command from nothing to a shop with recommendations."""
