"""Faults on purpose: kills, signals, flipped bits, full disks; and that nothing is lost and nothing wrong by them."""
