"""The client that a batch stands for: it sends sub-requests, and keeps cookies and a session between them."""
