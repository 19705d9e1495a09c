"""A real browser, for the listing pages that a script makes; set up when the first such page is met."""
