"""The site's own middleware chain, in front of its URL resolver and views."""
