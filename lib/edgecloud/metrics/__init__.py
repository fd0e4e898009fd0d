"""What the site's own metrics are called, and how a text file of them is written."""
