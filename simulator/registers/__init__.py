"""From the values of machines to the registers that a client reads, and back."""
