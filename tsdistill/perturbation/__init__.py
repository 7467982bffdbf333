"""Perturbation: which windows are replaced, by which donors, and the perturbed copies."""
