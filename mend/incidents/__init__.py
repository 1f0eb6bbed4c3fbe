"""Problems and their life cycle."""
