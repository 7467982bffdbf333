"""Array and tensor helpers: batches, logits, tensors and global random states."""
