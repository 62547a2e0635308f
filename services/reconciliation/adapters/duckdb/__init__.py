"""Stage, match and prove in DuckDB, over Parquet files: SQL that finance can review.

The steps share files, never memory: `stage` writes the inputs, `match` the results, `prove` reads
both and shares no query with `match`, `manifest` seals them.
"""
