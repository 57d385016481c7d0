"""Addresses of the training room, one module per part; training/urls.py joins them."""
