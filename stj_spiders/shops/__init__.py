"""What is known of each shop's pages."""
