"""Live probes, readiness of the data, the settings in force, and the one next step. Changes nothing."""

from reco_plugin.doctor.examine import next_step, probes
from reco_plugin.doctor.finding import Finding, Level
from reco_plugin.doctor.in_force import settings_in_force
from reco_plugin.doctor.kind import Readiness
from reco_plugin.doctor.readiness import readiness

__all__ = [
    "Finding",
    "Level",
    "Readiness",
    "next_step",
    "probes",
    "readiness",
    "settings_in_force",
]
