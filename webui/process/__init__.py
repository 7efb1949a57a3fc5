"""How a picture came out of noise, seen."""
