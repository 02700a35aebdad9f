"""`qilu profile`: writes device profiles, from a list of points or from a device itself."""
