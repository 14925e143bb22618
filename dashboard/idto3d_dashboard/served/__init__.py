"""What Streamlit runs. It lies apart, for Streamlit takes a folder `pages` beside its script for its own."""
