"""Retrieve, fine-tune, both or neither: a project's recommendation with its evidence."""
