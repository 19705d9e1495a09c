"""A real browser, for the listing pages that a script makes; set up when the first such page is met."""

# What a request carries: that a browser shall fetch it, and, in the answer, which one did.
RENDER = "stj_render"
RENDERED_BY = "stj_rendered_by"
