"""What crosses a process border: frozen values and one codec."""
