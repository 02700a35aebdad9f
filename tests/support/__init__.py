"""What tests of every part may use."""
