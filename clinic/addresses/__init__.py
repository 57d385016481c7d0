"""Addresses by what they are about; clinic/urls.py joins them."""
