"""Collections: tables kept as Parquet files in the data directory, safe for several processes of one host."""
