"""The scikit-learn estimator: its arguments, what ``fit`` is given, and its answers."""
