"""Whom we serve, and what for: the request half, composed."""
