"""Training a student: the transfer set, the recipe, the steps and the loss of the loop."""
