"""Kill a running pipeline again and again, and count what is lost and what is twice: `make chaos`."""
