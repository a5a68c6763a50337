"""What is measured, against whom, and the recorded results. Run with `make bench`."""
