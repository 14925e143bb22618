"""Protocols: what is measured, on whom, with which views and budget; versioned YAML and its schema."""

from idto3d_protocols.loader import load_protocol, protocol_names
from idto3d_protocols.schema import Budget, Protocol

__all__ = ["Budget", "Protocol", "load_protocol", "protocol_names"]
