"""The catalogue: SQL only. Schema, migrations, frontier, intake, status, groups, provenance and reviews."""
