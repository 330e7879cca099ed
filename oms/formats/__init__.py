"""How moments are written and read: the same in every language, so that lists stay narrow and sortable by eye."""
