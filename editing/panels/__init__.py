"""The app's handlers and the values of its components; the only part of editing that knows Gradio."""
