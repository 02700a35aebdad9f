"""Room 4, cloud: takes readings from the broker into a store and answers for them."""
