"""Messages to buyers: kinds that apps register, templates that staff edit, and their ways: mail, SMS and on-site."""
