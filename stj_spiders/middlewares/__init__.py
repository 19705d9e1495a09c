"""What stands between a spider and a shop: robots.txt, the pace, addresses that are not for us, and connections that fail."""
