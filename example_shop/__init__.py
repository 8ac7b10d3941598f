"""A shop a stranger would write, with recommendations. Start it with `python -m example_shop.demo`."""
