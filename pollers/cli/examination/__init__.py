"""What `pollers doctor` looks at: one module for each component, and each finding with its cure."""
