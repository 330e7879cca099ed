"""Telling merchants what happened, by the Standard Webhooks specification."""
