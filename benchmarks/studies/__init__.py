"""Programs behind the tables in results/*/tuning: each writes one, and says of what."""
