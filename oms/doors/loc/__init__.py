"""The LOC interface of 京东入鼎."""
