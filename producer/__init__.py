"""Sends customer events with anomalies to Kafka."""
