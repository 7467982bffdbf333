"""Batches, logits, tensors, global random states, and contexts that threads share."""
