"""What turns the repository into its documentation."""
