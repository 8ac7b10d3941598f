"""Checks for django-health-check 4: `checks.Live` and `checks.Ready`."""
