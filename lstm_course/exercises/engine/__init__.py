"""What runs and diagnoses answers. The questions themselves stand beside this folder."""
