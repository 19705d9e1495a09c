"""A second shop, as far from Amazon's markup as can be: two modules and a line in each registry."""
