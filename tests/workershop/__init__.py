"""The awkward test shop with Celery workers of its own, as a shop sets it up."""
