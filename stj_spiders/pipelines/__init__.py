"""Where a page's pictures are fetched and its cards are written."""
