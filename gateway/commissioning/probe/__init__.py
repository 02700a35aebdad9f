"""`qilu probe`: looks at a device that nobody has described yet. It only ever reads."""
