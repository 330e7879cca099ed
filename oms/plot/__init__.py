"""The plot of the sample: staged troubles with a checklist, and orders that keep coming. Everything happens by the
services and messages by which it happens in earnest."""
