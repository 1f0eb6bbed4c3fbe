"""Curates events: reads Kafka, stages files, writes the run report."""
