"""A pretend group with a switch, walked through every face of the real request: tests/test_switched_group.py."""
