"""Perturbation: which windows are replaced, by what, and the copies that this makes."""
