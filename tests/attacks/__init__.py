"""The second law, made to run: a site that would be worth attacking, who attacks it, and how."""
