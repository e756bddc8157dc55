"""`python -m catenary_server`: the same as `catenary serve`."""

from catenary_server.commands import serve

if __name__ == "__main__":
    serve(prog_name="catenary serve")
