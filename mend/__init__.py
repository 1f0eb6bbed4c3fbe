"""What the services share; knows no platform."""
