"""The dataset: select, group, split, export, verify."""
