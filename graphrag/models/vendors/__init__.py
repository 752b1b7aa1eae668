"""Know the model servers that people run themselves."""
