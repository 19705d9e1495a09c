"""Names of what a request carries in its `meta`."""

# That a browser shall fetch it, and, in the answer, which one did.
RENDER = "stj_render"
RENDERED_BY = "stj_rendered_by"
