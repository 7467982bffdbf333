"""Teachers: any classifier behind one interface, queried in batches, in parallel, with a cache."""
