"""The project: settings, wiring, and the kernel under the apps.

Nothing is imported here: `python -m oms.client` runs on a machine that has nothing but Python.
"""
