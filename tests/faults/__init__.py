"""Faults on purpose: kills, signals, flipped bits, full disks.

And that nothing is lost and nothing wrong by them.
"""
