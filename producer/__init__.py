"""Sends events with anomalies to Kafka."""
