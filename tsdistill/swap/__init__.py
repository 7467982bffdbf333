"""Replacing the teacher in production: the student answers where it is sure."""
