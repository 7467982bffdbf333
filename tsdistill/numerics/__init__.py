"""What all rooms compute with: batches, logits, tensors, the global random states."""
