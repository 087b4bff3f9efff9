"""Health of models: probes of our runs, and a Monitor for anyone's loop."""

from actstudy.health.monitor import Monitor

__all__ = ["Monitor"]
