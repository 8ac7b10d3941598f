"""Pictures in, vectors out. Plain Python: no Django, no settings, no clock."""

from reco_plugin.encoders.base import Encoder, Fault, Limits, Refused

__all__ = ["Encoder", "Fault", "Limits", "Refused"]
