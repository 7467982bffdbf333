"""Replacing the teacher in production: the student answers, and defers when it is unsure."""
