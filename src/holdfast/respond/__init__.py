"""Who runs the measuring: subjects × items → fixed shards → records."""
