"""Drawing pipelines: text in the front end, pictures in bounded processes of their own."""
