"""One file per study to explore: its tables, figures and texts, opened offline by a browser."""
