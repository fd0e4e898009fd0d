"""What the charms of the edge micro-cloud share; travels inside each of them."""
