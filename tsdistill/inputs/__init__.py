"""Reads and checks what users pass: series, labels, weights, random states and paths."""
