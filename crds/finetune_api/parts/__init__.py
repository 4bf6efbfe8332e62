"""What blocks of the spec are made of: references, sources, files, what pods are given."""
