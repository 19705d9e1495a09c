"""Pictures: decode, fingerprint, likeness, neighbours, crops, quality and the image store; no SQL."""
