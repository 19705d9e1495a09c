"""A second shop, as far from Amazon's markup as can be: two modules, and no line: the tests register it themselves."""
