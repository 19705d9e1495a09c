"""What stands between a spider and a shop: robots.txt, manners, and accidents on the way."""
