"""Batches, logits, tensors, global random states, forks, and contexts that threads share."""
