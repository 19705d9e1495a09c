"""The spiders: one class, and a name for each category of labels.toml."""
