"""Training runs: what was learnt, from what, how well, and which one is live."""

from __future__ import annotations

from django.db import models

LISTED = ("popular", "trending", "converting", "tail", "sale", "brands", "categories")
"""Kinds of run that are ranked lists."""
RUN_KINDS = ("personal", "behaviour", "blend", *LISTED, "encoder", "visual")
"""Every kind of run; one of each is live."""
COMPARISON = "comparison"
"""Runs that are kept as a record and are never live: what a comparison found."""


class RunStatus(models.TextChoices):
    RUNNING = "running"
    """Data is read, or the child process trains."""
    TRAINED = "trained"
    """The artefact is written and checked."""
    PUBLISHED = "published"
    """The store holds the run whole; it may be activated."""
    REJECTED = "rejected"
    """A gate failed; `gates` says which. Kept, not activated."""
    FAILED = "failed"
    """It broke; `error` says how."""
    PRUNED = "pruned"
    """The store has dropped its vectors; the row stays as history."""


class Run(models.Model):
    """One training of one kind of model."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=32)
    """One of RUN_KINDS."""
    trainer = models.CharField(max_length=255)
    status = models.CharField(max_length=16, choices=RunStatus, default=RunStatus.RUNNING)
    config = models.JSONField(default=dict)
    dataset = models.JSONField(default=dict)
    """Window, counts and the data-quality report."""
    metrics = models.JSONField(default=dict)
    gates = models.JSONField(default=list)
    timings = models.JSONField(default=dict)
    store = models.CharField(max_length=255, blank=True)
    store_state = models.JSONField(default=dict)
    """What the store needs to find the run again, e.g. table name and index kind."""
    artefact = models.CharField(max_length=255, blank=True)
    sha256 = models.CharField(max_length=64, blank=True)
    error = models.TextField(blank=True)
    log = models.JSONField(default=list, db_default=[])
    """What happened when: [{"at": ISO time, "stage": …, "words": …}]."""
    created_at = models.DateTimeField(auto_now_add=True)
    finished_at = models.DateTimeField(null=True)

    class Meta:
        db_table = "reco_run"
        indexes = [models.Index(fields=["site", "kind", "-created_at"], name="reco_run_recent")]
        permissions = [("activate_run", "Can make a run live and roll back")]

    def __str__(self) -> str:
        return f"{self.kind} run {self.pk} ({self.status})"


class ActiveRun(models.Model):
    """Which run of a kind is live: activation is an update of this one row, roll-back the same."""

    site = models.PositiveIntegerField(default=1)
    kind = models.CharField(max_length=32)
    run = models.ForeignKey(Run, on_delete=models.PROTECT, related_name="+")
    previous = models.ForeignKey(Run, on_delete=models.SET_NULL, null=True, related_name="+")
    activated_at = models.DateTimeField(auto_now=True)

    class Meta:
        db_table = "reco_active_run"
        constraints = [models.UniqueConstraint(fields=["site", "kind"], name="reco_active_run_one")]

    def __str__(self) -> str:
        return f"{self.kind}: run {self.run_id}"
