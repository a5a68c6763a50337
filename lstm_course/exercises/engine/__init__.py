"""What runs and diagnoses answers. The question banks are in the folder above."""
