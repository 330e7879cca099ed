"""The LOC interface of 京东入鼎 for merchants who already speak it; see docs/loc.md. It stands on the same services."""
