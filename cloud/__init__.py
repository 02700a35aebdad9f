"""The cloud ingester: takes readings from the broker into a store and answers for them."""
