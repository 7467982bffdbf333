"""Explainers of teachers and students: the effect of each timestep on a prediction."""
