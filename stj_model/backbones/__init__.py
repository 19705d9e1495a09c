"""The networks that a recipe can stand on, one module each."""
