"""What each timestep did for a prediction, of teachers and students alike: one explainer a file."""
