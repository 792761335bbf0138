"""One module per way of learning."""
