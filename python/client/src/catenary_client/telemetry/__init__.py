"""Telemetry for training loops: reports what a training does, without slowing it down, and obeys who steers it."""

from catenary_client.telemetry.control import Commands, Setting
from catenary_client.telemetry.delivery import RunReport
from catenary_client.telemetry.faults import TelemetryError, TelemetryOverflow, TrainingStopped
from catenary_client.telemetry.leftovers import Leftover, send_leftovers
from catenary_client.telemetry.link import Address
from catenary_client.telemetry.loop import TrainingLoop
from catenary_client.telemetry.predictions import Prediction
from catenary_client.telemetry.run import Run
from catenary_client.telemetry.settings import TelemetrySettings
from catenary_client.telemetry.spill import SpillInUse

__all__ = [
    "Address",
    "Commands",
    "Leftover",
    "Prediction",
    "Run",
    "RunReport",
    "Setting",
    "SpillInUse",
    "TelemetryError",
    "TelemetryOverflow",
    "TelemetrySettings",
    "TrainingLoop",
    "TrainingStopped",
    "send_leftovers",
]
