"""The studio: look, review and classify in the browser."""
