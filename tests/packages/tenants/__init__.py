"""The tenants of the site of django-tenants, which are rows that all of them share."""
