"""The study's folder: digests, atomic files, locks, Parquet schemas with versions. No torch."""
