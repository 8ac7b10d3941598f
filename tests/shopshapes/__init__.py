"""Shops of many shapes, each a models.py and a fill.py, that reco_init has to make sense of."""
