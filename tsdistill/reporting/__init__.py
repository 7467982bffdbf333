"""Fidelity reports: compare and measure teacher and student, and show the result."""
