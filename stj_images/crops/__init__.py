"""Copies that lost a part of the picture itself: found by local descriptors, confirmed by the hashes of what both show."""
