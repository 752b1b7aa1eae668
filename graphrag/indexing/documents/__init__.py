"""Read files and bytes into documents."""
