"""The example shop behind its own WSGI handler, with recommendations and without, for `checkout`."""
