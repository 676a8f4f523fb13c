"""Proof that every platform's file asks what the definition asks."""
