"""What a model file is, told from its name, place and header. No torch."""
