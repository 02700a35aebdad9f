"""Alert rules about what only the cloud can see: an edge that is silent, data that do not arrive. Pure."""
