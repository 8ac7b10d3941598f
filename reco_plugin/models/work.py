"""Where the jobs stand: one lease row per job, what each execution came to, shares of split work."""

from __future__ import annotations

import uuid

from django.db import models


class Job(models.Model):
    """The standing of one job of one site. The row is also its lease.

    Whoever holds `token` runs the job; a holder whose `beat_at` (time of the database) is too old
    has died, and the next one takes over where `checkpoint` says.
    """

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=64)
    is_paused = models.BooleanField(default=False)
    """An operator keeps it from starting by itself."""
    requested_at = models.DateTimeField(null=True)
    """Somebody asked for it to start now; None again once it has started."""

    token = models.UUIDField(null=True)
    holder = models.CharField(max_length=255, blank=True)
    """Host and process, for people."""
    beat_at = models.DateTimeField(null=True)
    attempt = models.PositiveIntegerField(default=0)
    """Counts executions, taken-over ones too."""
    started_at = models.DateTimeField(null=True)
    stage = models.CharField(max_length=64, blank=True)
    done = models.BigIntegerField(default=0)
    total = models.BigIntegerField(default=0)
    checkpoint = models.JSONField(default=dict)
    """What an execution that died had finished; empty once one succeeds."""

    succeeded_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    retry_at = models.DateTimeField(null=True)
    """Not before then, after a failure."""
    failures = models.PositiveIntegerField(default=0)
    """In a row."""
    error = models.TextField(blank=True)

    class Meta:
        db_table = "reco_job"
        constraints = [models.UniqueConstraint(fields=["site", "name"], name="reco_job_one")]
        permissions = [("start_job", "Can start and pause jobs")]

    def __str__(self) -> str:
        return self.name


class Outcome(models.TextChoices):
    DONE = "done"
    FAILED = "failed"
    TAKEN_OVER = "taken_over"
    """Its process fell silent; another one went on with it."""
    TIMED_OUT = "timed_out"


class JobLog(models.Model):
    """One execution of a job that has ended. Appended only."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    name = models.CharField(max_length=64)
    attempt = models.PositiveIntegerField()
    outcome = models.CharField(max_length=16, choices=Outcome)
    holder = models.CharField(max_length=255, blank=True)
    started_at = models.DateTimeField()
    finished_at = models.DateTimeField()
    timings = models.JSONField(default=dict)
    """Seconds per stage."""
    report = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        db_table = "reco_job_log"
        indexes = [models.Index(fields=["site", "name", "-started_at"], name="reco_job_log_recent")]

    def __str__(self) -> str:
        return f"{self.name} {self.outcome}"


class Shard(models.Model):
    """A share of split work, done by whichever worker takes it first."""

    id = models.BigAutoField(primary_key=True)
    site = models.PositiveIntegerField(default=1)
    job = models.CharField(max_length=64)
    batch = models.UUIDField(default=uuid.uuid4)
    """The splitting it is part of."""
    number = models.PositiveIntegerField()
    payload = models.JSONField(default=dict)
    token = models.UUIDField(null=True)
    beat_at = models.DateTimeField(null=True)
    attempts = models.PositiveIntegerField(default=0)
    done_at = models.DateTimeField(null=True)
    result = models.JSONField(default=dict)
    error = models.TextField(blank=True)

    class Meta:
        db_table = "reco_shard"
        constraints = [
            models.UniqueConstraint(fields=["batch", "number"], name="reco_shard_one"),
        ]
        indexes = [
            models.Index(
                fields=["site", "job"],
                condition=models.Q(done_at__isnull=True),
                name="reco_shard_open",
            )
        ]

    def __str__(self) -> str:
        return f"{self.job} {self.number}"
