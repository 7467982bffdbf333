"""Teachers: any classifier behind one question, asked in batches, in parallel, with a cache."""
