"""One module for each file format; `catenary_scenes.reading` and `catenary_scenes.writing` choose among them."""
